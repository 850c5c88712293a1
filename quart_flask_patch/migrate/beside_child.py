"""The program of `beside`'s child: serves the old application, on genuine Flask, on a Unix socket.

It is run by its path, with the old application's Python, and imports nothing of this project. So
`flask` is Flask here, even if the application's source imports the layer already.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What WSGI has, as this process has nothing of the project to take it from.
Environ = dict[str, Any]
Application = Callable[[Environ, Any], Any]

#: Headers in which the process in front passes on what a WSGI server would find out itself.
CLIENT, PORT, SCHEME, ROOT = "x-beside-client", "x-beside-port", "x-beside-scheme", "x-beside-root"
#: Larger than any body, as the application sets its own limits.
_NO_LIMIT = 1 << 60


def main() -> None:
    # Remove the folder of this file from the path, as its modules could hide others.
    sys.path[0] = os.getcwd()
    # Nothing follows this line until the process that wrote it has ended.
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="beside-parent", daemon=True).start()
    with open(given["report"], "w", encoding="utf-8") as report:
        try:
            app = _load(given["app"])
            said = _session_of(app, given["cookie"])
            serve = _server(_as_served(app), given["socket"], given["threads"])
        except BaseException as error:
            report.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
            raise
        report.write(json.dumps(said) + "\n")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve()


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)


# --- the application -----------------------------------------------------------------------------


def _load(path: str) -> Any:
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    runpy.run_path(str(Path(__file__).with_name("without_layer.py")))["stand_in"]()
    from flask import Flask
    from flask.cli import ScriptInfo

    app: Any = ScriptInfo(app_import_path=path).load_app()
    if not isinstance(app, Flask) or type(app).__module__.startswith("quart"):
        raise TypeError(
            f"Expected {path!r} to be an application of genuine Flask, got"
            f" {type(app).__module__}.{type(app).__qualname__}."
        )
    return app


def _session_of(app: Any, cookie: str | None) -> dict[str, object]:
    """Report whether *cookie*, made by the new application, can be read here; send one back."""
    make = getattr(app.session_interface, "get_signing_serializer", None)
    serializer = None if make is None else make(app)
    said = {"name": app.config.get("SESSION_COOKIE_NAME"), "reads": None, "cookie": None}
    if serializer is not None:
        said["cookie"] = serializer.dumps({"beside": "old"})
        if cookie is not None:
            try:
                said["reads"] = serializer.loads(cookie) == {"beside": "new"}
            except Exception:
                said["reads"] = False
    return said


# --- the server ----------------------------------------------------------------------------------


def _as_served(app: Application) -> Application:
    """Return *app* with the environ that it would have if clients came to its own server."""

    def wsgi(environ: Environ, start_response: Any) -> Any:
        def said(name: str) -> str:
            return str(environ.pop(f"HTTP_{name.upper().replace('-', '_')}", ""))

        client, port, scheme, root = map(said, (CLIENT, PORT, SCHEME, ROOT))
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client, port
        environ["wsgi.url_scheme"] = scheme or "http"
        path = environ.get("PATH_INFO", "")
        if root and (path == root or path.startswith(f"{root}/")):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = root, path[len(root) :]
        return app(environ, start_response)

    return wsgi


def _server(app: Application, path: str, threads: int) -> Callable[[], None]:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    try:
        import waitress
    except ImportError:
        from werkzeug.serving import make_server, WSGIRequestHandler

        class Handler(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_request(self, *args: object) -> None:
                """Leave it to the server in front."""

            def send_header(self, keyword: str, value: str) -> None:
                if keyword != "Server" or value != self.version_string():
                    super().send_header(keyword, value)

        listening.listen(1024)
        at = f"unix://{path}"
        fd = listening.fileno()
        server = make_server(at, 0, app, threaded=True, request_handler=Handler, fd=fd)
        return server.serve_forever
    serve: Callable[[], None] = waitress.create_server(
        app,
        sockets=[listening],
        threads=threads,
        backlog=1024,
        connection_limit=10_000,
        channel_timeout=3600,
        max_request_body_size=_NO_LIMIT,
        clear_untrusted_proxy_headers=False,
        ident=None,
    ).run
    return serve


if __name__ == "__main__":
    main()
