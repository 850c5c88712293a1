"""Run as a script, in a process of its own: serves an application on one server.

On genuine Flask nothing of the layer is imported, so this file imports nothing of the package that
it lies in, and another Python, with another Flask, can run it too.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

THREADS = 8
#: What the process that compares asks for; "fd" is of a socket that listens, if it made one.
Plan = TypedDict(
    "Plan",
    {
        "app": str,
        "fd": int,
        "from": str,
        "layer": bool,
        "port": int,
        "server": str,
        "state": str,
    },
)


def main() -> None:
    plan: Plan = json.loads(sys.argv[1])
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.path[0] = os.getcwd()
    sys.path[:] = [moved(path, plan["from"]) for path in sys.path]
    if not plan["layer"]:
        runpy.run_path(str(Path(__file__).parent.parent / "without_layer.py"))["stand_in"]()
    serve = SERVERS[chosen_server(plan)]
    # Granian is given no socket, and makes its own.
    serve(plan, socket.socket(fileno=plan["fd"]) if plan.get("fd") else None)  # type: ignore[arg-type]


def end_with_parent() -> None:
    """Wait until the comparing process ends, which closes its end of the pipe."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def moved(path: str, before: str) -> str:
    """Return *path* in the copy, if it is in the copied folder."""
    if path == before or path.startswith(before + os.sep):
        return os.getcwd() + path[len(before) :]
    return path


def chosen_server(plan: Plan) -> str:
    name = plan["server"]
    if name != "wsgi":
        return name
    for found in ("gunicorn", "waitress"):
        if importlib.util.find_spec(found) and (found != "gunicorn" or hasattr(os, "fork")):
            return found
    return "werkzeug"


# --- the application ----------------------------------------------------------------------------


def load(plan: Plan, server: str) -> Any:
    """Import the application, and report what it is to the comparing process."""
    try:
        if plan["layer"]:
            import quart_flask_patch  # noqa: F401  # before the application
        from flask.cli import ScriptInfo

        app: Any = ScriptInfo(app_import_path=plan["app"]).load_app()
        if not plan["layer"] and not hasattr(app, "wsgi_app"):
            kind = f"{type(app).__module__}.{type(app).__qualname__}"
            raise TypeError(f"Expected a Flask application, got one of the class {kind}.")
        told = {"pid": os.getpid(), "server": server, **facts(app)}
    except BaseException as error:
        traceback.print_exc()
        tell(plan, {"error": f"{type(error).__name__}: {str(error).strip()}"})
        raise SystemExit(1) from None
    tell(plan, told)
    return app


def tell(plan: Plan, told: dict[str, object]) -> None:
    file = plan["state"]
    with open(file + ".new", "w", encoding="utf-8") as opened:
        json.dump(told, opened)
    os.replace(file + ".new", file)


def facts(app: Any) -> dict[str, object]:
    import flask

    try:
        from importlib.metadata import version

        flasks = version("flask")
    except Exception:
        flasks = str(getattr(flask, "__version__", "?"))
    return {"flask": flasks, "root": app.root_path, "routes": routes(app)}


def routes(app: Any) -> list[str]:
    """Return the paths of all rules without variables that accept GET."""
    found = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and not rule.arguments
        and not getattr(rule, "websocket", False)
        and not rule.build_only
        and not rule.subdomain
        and not rule.host
        and "<" not in rule.rule
    ]
    return list(dict.fromkeys(found))


# --- the servers --------------------------------------------------------------------------------


def gunicorn(plan: Plan, sock: socket.socket) -> None:
    from gunicorn.app.base import BaseApplication
    from gunicorn.config import KNOWN_SETTINGS

    class Served(BaseApplication):  # type: ignore[misc]  # gunicorn may not be installed
        def load_config(self) -> None:
            wanted = {
                "bind": f"fd://{sock.fileno()}",
                "worker_class": "gthread",
                "threads": THREADS,
                "timeout": 0,
                "graceful_timeout": 3,
                "control_socket_disable": True,
            }
            for setting in KNOWN_SETTINGS:
                if setting.name in wanted:
                    self.cfg.set(setting.name, wanted[setting.name])

        def load(self) -> Any:
            return load(plan, "gunicorn")

    Served().run()


def waitress(plan: Plan, sock: socket.socket) -> None:
    import waitress

    waitress.serve(load(plan, "waitress"), sockets=[sock], threads=THREADS)


def werkzeug(plan: Plan, sock: socket.socket) -> None:
    from werkzeug.serving import make_server

    app = load(plan, "werkzeug")
    make_server("127.0.0.1", plan["port"], app, threaded=True, fd=sock.fileno()).serve_forever()


def hypercorn(plan: Plan, sock: socket.socket) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{sock.fileno()}"]
    config.graceful_timeout = 3
    app = load(plan, "hypercorn")

    async def serving() -> None:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await serve(app, config, shutdown_trigger=ended.wait)

    asyncio.run(serving())


def uvicorn(plan: Plan, sock: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        load(plan, "uvicorn"), fd=sock.fileno(), access_log=False, timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run()


def granian(plan: Plan, sock: socket.socket) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    app = load(plan, "granian")
    server = Server(app, port=plan["port"], interface=Interfaces.ASGI)
    asyncio.run(server.serve())


def daphne(plan: Plan, sock: socket.socket) -> None:
    from daphne.server import Server

    app = load(plan, "daphne")
    Server(app, endpoints=[f"fd:fileno={sock.fileno()}"]).run()


SERVERS: dict[str, Callable[[Plan, socket.socket], None]] = {
    each.__name__: each
    for each in (gunicorn, waitress, werkzeug, hypercorn, uvicorn, granian, daphne)
}

if __name__ == "__main__":
    main()
