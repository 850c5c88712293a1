"""The ``flask`` command on the async core: Flask's own, but for ``run``, which serves ASGI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
from flask.cli import cli as flask_cli, ScriptInfo
from flask.helpers import get_debug_flag

from quart._server import run_app, ServeOptions
from quart.app import Quart
from quart.cli import serve_app

from . import genuine


@click.command("run", short_help="Run a development server.", params=genuine.run_command.params)
@click.pass_obj
def run_command(
    info: ScriptInfo,
    host: str,
    port: int,
    reload: bool | None,
    debugger: bool | None,
    with_threads: bool,
    cert: Any,
    extra_files: Sequence[str] | None,
    exclude_patterns: Sequence[str] | None,
) -> None:
    """Serve the application on hypercorn, for development.

    Takes what Flask's own command does. Plain views run in threads in any case, and in debug mode
    errors are shown on a page, so --with-threads and --debugger change nothing.

    The reloader is on by default with '--debug'.
    """
    serve_app(
        info.load_app,
        ServeOptions(
            host=host,
            port=port,
            ssl_context=_certificate(cert),
            extra_files=tuple(extra_files or ()),
            exclude_patterns=tuple(exclude_patterns or ()),
        ),
        name=info.app_import_path,
        framework="Flask",
        use_reloader=get_debug_flag() if reload is None else reload,
    )


def _certificate(cert: Any) -> Any:
    """Return Flask's --cert and --key, a path, a pair or "adhoc", as the server takes it."""
    return (cert, None) if isinstance(cert, str) and cert != "adhoc" else cert


def run_simple(
    hostname: str,
    port: int,
    application: Any,
    use_reloader: bool = False,
    use_debugger: bool = False,
    use_evalex: bool = True,
    extra_files: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    reloader_interval: int = 1,
    reloader_type: str = "auto",
    threaded: bool = False,
    processes: int = 1,
    request_handler: Any = None,
    static_files: Any = None,
    passthrough_errors: bool = False,
    ssl_context: Any = None,
) -> None:
    """Stand for Werkzeug's `run_simple`: a Flask application is served on hypercorn.

    Anything else, such as one within WSGI middleware, is served by Werkzeug. `flask.Flask.run` and
    scripts that call `run_simple` themselves end here.
    """
    if not isinstance(application, Quart) or static_files:
        genuine.run_simple(
            hostname,
            port,
            application,
            use_reloader,
            use_debugger,
            use_evalex,
            extra_files,
            exclude_patterns,
            reloader_interval,
            reloader_type,
            threaded,
            processes,
            request_handler,
            static_files,
            passthrough_errors,
            ssl_context,
        )
        return
    run_app(
        lambda: application,
        ServeOptions(
            host=hostname,
            port=port,
            ssl_context=ssl_context,
            extra_files=tuple(extra_files or ()),
            exclude_patterns=tuple(exclude_patterns or ()),
        ),
        framework="Flask",
        use_reloader=use_reloader,
    )


def main() -> None:
    """Be the ``flask`` command; the application need not import the layer."""
    flask_cli.main(prog_name="python -m quart_flask_patch")
