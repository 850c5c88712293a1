"""The commands that each app has: run, shell and routes."""

from __future__ import annotations

import ast
import asyncio
import code
import os
import sys
from collections.abc import Callable
from contextvars import copy_context
from inspect import iscoroutine
from operator import itemgetter
from types import CodeType, FunctionType
from typing import Any, TYPE_CHECKING

import click

from ..globals import current_app
from ..helpers import get_debug_flag
from ._groups import pass_script_info, ScriptInfo, with_appcontext
from ._options import debug_option

if TYPE_CHECKING:
    from .._serving.server_config import ServeOptions

FILE = click.Path(exists=True, file_okay=True, dir_okay=False)


def serve_app(
    load: Callable[[], object],
    options: ServeOptions,
    *,
    name: str | None = None,
    framework: str = "Quart",
    use_reloader: bool = False,
) -> None:
    """Serve the ASGI application that *load* returns; the body of a ``run`` command.

    A command with other options makes :class:`quart._serving.server.ServeOptions` from them and
    calls this. An error that keeps the server from starting ends the command with its message.
    """
    from hypercorn.utils import LifespanFailureError

    from .._serving.server import run_app

    try:
        run_app(load, options, name=name, framework=framework, use_reloader=use_reloader)
    except (LifespanFailureError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise click.ClickException(said or str(error)) from error


@click.command("run", short_help="Run a development server.")
@click.option("--host", "-h", default="127.0.0.1", help="The interface to bind to.")
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    default=5000,
    help="The port to bind to; 0 lets the system choose.",
)
@click.option("--certfile", "--cert", type=FILE, help="Specify a certificate file to use HTTPS.")
@click.option(
    "--keyfile",
    "--key",
    type=FILE,
    help="The key file to use when specifying a certificate.",
)
@click.option(
    "--reload/--no-reload",
    default=None,
    help="Enable or disable the reloader. By default it is active in debug mode.",
)
@pass_script_info
def run_command(
    info: ScriptInfo,
    host: str,
    port: int,
    certfile: str | None,
    keyfile: str | None,
    reload: bool | None,
) -> None:
    """Run a local development server."""
    from .._serving.server_config import ServeOptions

    if (certfile is None) != (keyfile is None):
        raise click.UsageError(
            "Expected '--certfile' and '--keyfile' together, got one of them. Give both or neither."
        )
    serve_app(
        info.load_app,
        ServeOptions(host=host, port=port, certfile=certfile, keyfile=keyfile),
        name=info.app_import_path,
        use_reloader=get_debug_flag() if reload is None else reload,
    )


run_command.params.insert(0, debug_option)


class AsyncConsole(code.InteractiveConsole):
    """An interactive interpreter in which ``await`` works; all input runs on one event loop."""

    def __init__(self, names: dict[str, object], runner: asyncio.Runner) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._runner = runner
        # Use one Context for all input, so that what a line sets (such as a pushed context) stays.
        self._context = copy_context()

    def run_coroutine(self, main: Any) -> object:
        """Run *main* as if you awaited it at the prompt."""
        return self._runner.run(main, context=self._context)

    def runcode(self, code: CodeType) -> None:
        """Run the input; plain code runs on the loop too, so that it may create tasks."""
        try:
            self.run_coroutine(self._execute(code))
        except KeyboardInterrupt:
            self.write("\nKeyboardInterrupt\n")

    async def _execute(self, code: CodeType) -> None:
        try:
            result = FunctionType(code, self.locals)()
            if iscoroutine(result):
                await result
        except Exception:
            self.showtraceback()


@click.command("shell", short_help="Run a shell in the app context.")
@pass_script_info
def shell_command(info: ScriptInfo) -> None:
    """Run an interactive Python shell in the context of the application.

    Its namespace has the values of the application's shell context processors; 'await' works at
    the prompt.
    """
    app = info.load_app()
    banner = (
        f"Python {sys.version} on {sys.platform}\n"
        f"App: {app.import_name}\n"
        f"Instance: {app.instance_path}\n"
        "Use 'await' directly."
    )
    names = _startup_names() | {"__name__": "__console__", "__doc__": None}
    with asyncio.Runner() as runner:
        console = AsyncConsole(names, runner)
        context = app.app_context()
        console.run_coroutine(context.push())
        try:
            names.update(app.make_shell_context())
            _call_interactive_hook(names)
            console.interact(banner=banner, exitmsg="")
        finally:
            console.run_coroutine(context.pop(None))


def _startup_names() -> dict[str, object]:
    names: dict[str, object] = {}
    startup = os.environ.get("PYTHONSTARTUP")
    if startup and os.path.isfile(startup):
        with open(startup) as file:
            exec(compile(file.read(), startup, "exec"), names)
    return names


def _call_interactive_hook(names: dict[str, object]) -> None:
    # By default this is the site module's hook, which sets up history and completion.
    hook = getattr(sys, "__interactivehook__", None)
    if hook is None:
        return
    try:
        import readline
        from rlcompleter import Completer
    except ImportError:
        pass
    else:
        # Complete names of this shell, and not those of __main__.
        readline.set_completer(Completer(names).complete)
    hook()


@click.command("routes", short_help="Show the routes for the app.")
@click.option(
    "--sort",
    "-s",
    type=click.Choice(("endpoint", "methods", "domain", "rule", "match")),
    default="endpoint",
    help=(
        "Method to sort routes by. 'match' is the order that Quart will match routes when"
        " dispatching a request."
    ),
)
@click.option("--all-methods", is_flag=True, help="Show HEAD and OPTIONS methods.")
@with_appcontext
def routes_command(sort: str, all_methods: bool) -> None:
    """Show all registered routes with endpoints and methods."""
    rules = list(current_app.url_map.iter_rules())
    if not rules:
        click.echo("No routes were registered.")
        return
    by_host = current_app.url_map.host_matching
    domains = [(rule.host if by_host else rule.subdomain) or "" for rule in rules]
    columns = {
        "endpoint": ("Endpoint", [rule.endpoint for rule in rules]),
        "methods": ("Methods", [_methods_of(rule, all_methods) for rule in rules]),
        "domain": ("Host" if by_host else "Subdomain", domains),
        "rule": ("Rule", [rule.rule for rule in rules]),
    }
    if not any(domains):
        del columns["domain"]
    rows = list(zip(*(values for _, values in columns.values()), strict=True))
    if sort in columns:
        rows.sort(key=itemgetter(list(columns).index(sort)))
    _echo_table([title for title, _ in columns.values()], rows)


def _methods_of(rule: Any, all_methods: bool) -> str:
    if getattr(rule, "websocket", False):
        return "WEBSOCKET"
    hidden = set() if all_methods else {"HEAD", "OPTIONS"}
    return ", ".join(sorted((rule.methods or set()) - hidden))


def _echo_table(titles: list[str], rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, ["-" * width for width in widths], *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
