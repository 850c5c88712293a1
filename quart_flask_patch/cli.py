"""The ``flask`` command on the async core: Flask's own, but for ``run``, which serves ASGI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TYPE_CHECKING

import click
from flask.cli import cli as flask_cli, load_dotenv as flask_load_dotenv, ScriptInfo
from flask.helpers import get_debug_flag, get_load_dotenv

from quart._server import run_app, ServeOptions
from quart.cli import serve_app

from . import genuine

if TYPE_CHECKING:
    import ssl

    from .app import Flask


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


def serve(
    app: Flask,
    host: str | None,
    port: int | None,
    debug: bool | None,
    load_dotenv: bool,
    *,
    use_reloader: bool | None = None,
    ssl_context: ssl.SSLContext | tuple[str, str | None] | str | None = None,
    extra_files: Sequence[str] = (),
    exclude_patterns: Sequence[str] = (),
    **options: Any,
) -> None:
    """Do what `flask.Flask.run` does, on hypercorn; other options of Werkzeug's server are void."""
    if get_load_dotenv(load_dotenv):
        flask_load_dotenv()
        if "FLASK_DEBUG" in os.environ:
            app.debug = get_debug_flag()
    if debug is not None:
        app.debug = bool(debug)
    name_host, _, name_port = (app.config.get("SERVER_NAME") or "").partition(":")
    run_app(
        lambda: app,
        ServeOptions(
            host=host or name_host or "127.0.0.1",
            port=int(port if port is not None else name_port or 5000),
            ssl_context=ssl_context,
            extra_files=tuple(extra_files or ()),
            exclude_patterns=tuple(exclude_patterns or ()),
        ),
        framework="Flask",
        use_reloader=app.debug if use_reloader is None else use_reloader,
    )


def main() -> None:
    """Be the ``flask`` command; the application need not import the layer."""
    flask_cli.main(prog_name="python -m quart_flask_patch")
