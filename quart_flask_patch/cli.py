"""The ``flask`` command on the async core: Flask's own, except ``run``, which serves ASGI."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, wraps
from inspect import signature
from typing import Any

import click
from flask.cli import cli as flask_cli, NoAppException, ScriptInfo
from flask.helpers import get_debug_flag

from quart.app import Quart
from quart.cli import get_version, serve_app

from . import genuine
from ._earlier import early_applications
from ._waiting import green

_PANEL = click.Option(
    ["--panel"],
    is_flag=True,
    help="Measure the endpoints and show them at /_endpoints, to clients on this machine.",
)


@click.command(
    "run",
    short_help="Run a development server.",
    params=[*genuine.run_command.params, _PANEL],
)
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
    panel: bool = False,
) -> None:
    """Serve the application on hypercorn, for development.

    Takes what Flask's own command does. Plain views run in threads in any case, and in debug mode
    errors are shown on a page, so --with-threads and --debugger change nothing.

    The reloader is on by default with '--debug'.
    """
    from quart._serving.server_config import ServeOptions  # This imports the server.

    serve_app(
        partial(_load_with_panel if panel else load_app, info),
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


def load_app(info: ScriptInfo) -> object:
    """Load the application; raise an error that explains it if it is of Flask's own class."""
    try:
        app: object = info.load_app()
    except NoAppException as error:
        if found := early_applications():
            raise _refusal(found[0]) from error
        raise
    if isinstance(app, genuine.Flask) and not isinstance(app, Quart):
        raise _refusal(app)
    if (refusal := green.late_patching()) is not None:
        raise click.ClickException(refusal)
    return app


def _load_with_panel(info: ScriptInfo) -> object:
    from ._watching.panel import Panel, PATH

    app = load_app(info)
    if not isinstance(app, Quart):
        raise click.ClickException(
            f"Expected a Flask or a Quart application for --panel, got {app!r}, whose endpoints"
            " nobody knows. Run it without."
        )
    click.echo(f" * What the endpoints take is at {PATH}, for clients on this machine")
    return Panel(app)


def _refusal(app: object) -> click.ClickException:
    return click.ClickException(
        f"Expected an application on the layer, got {app!r} of the class"
        f" {type(app).__module__}.{type(app).__qualname__}, which is Flask's own and can be served"
        " as WSGI only: the class was there before quart.flask_patch was imported. Import"
        " quart.flask_patch before that, or run it by `flask run`."
    )


def _certificate(cert: object) -> Any:
    """Return Flask's --cert and --key (a path, a pair or "adhoc") in the server's form."""
    return (cert, None) if isinstance(cert, str) and cert != "adhoc" else cert


@wraps(genuine.run_simple)
def run_simple(*args: Any, **kwargs: Any) -> None:
    """Replace Werkzeug's `run_simple`: serve a Flask application on hypercorn.

    Werkzeug serves everything else, such as an application within WSGI middleware.
    `flask.Flask.run` ends here, and so do scripts that call `run_simple` themselves.
    """
    bound = signature(genuine.run_simple).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    application = given["application"]
    if not isinstance(application, Quart) or given["static_files"]:
        genuine.run_simple(*args, **kwargs)
        return
    if (refusal := green.late_patching()) is not None:
        raise RuntimeError(refusal)
    from quart._serving.server import run_app
    from quart._serving.server_config import ServeOptions

    run_app(
        lambda: application,
        ServeOptions(
            host=given["hostname"],
            port=given["port"],
            ssl_context=given["ssl_context"],
            extra_files=tuple(given["extra_files"] or ()),
            exclude_patterns=tuple(given["exclude_patterns"] or ()),
        ),
        # `app.run()` and Flask's own command have printed it.
        framework=None,
        use_reloader=given["use_reloader"],
    )


def main() -> None:
    """Run the ``flask`` command; the application need not import the layer."""
    for option in flask_cli.params:
        if option.name == "version":
            option.callback = get_version
    # Imported here, as only this program needs it.
    from .migrate.command import migrate

    flask_cli.add_command(migrate)
    flask_cli.main(prog_name="python -m quart_flask_patch")
