"""A Flask application is served for development as it always was, on the async core.

By our command line, by Flask's own, when the application imports the layer, and by `app.run()`.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from _serving import environment, PATIENCE, served

APP = """
import asyncio
import sys

LAYER
import quart
from flask import current_app, Flask


def create_app(name="plain", *, suffix=""):
    app = Flask(__name__)

    @app.get("/")
    def plain():
        return f"plain view of {name}{suffix}"

    @app.get("/async")
    async def asynchronous():
        await asyncio.sleep(0)
        return f"async view of {name}{suffix}"

    @app.websocket("/websocket")
    async def websocket():
        await quart.websocket.send(f"websocket of {name}{suffix}")

    return app


if __name__ == "__main__":
    create_app("script").run(port=int(sys.argv[1]))
"""
OURS = ("quart_flask_patch", "run", "--port", "{port}")
FLASKS = ("flask", "run", "--port", "{port}")
GIVEN = "shop:create_app('given', suffix='!')"


@pytest.mark.parametrize(
    ("command", "imports", "dotenv", "name"),
    [
        (OURS, False, False, "given!"),
        (OURS, False, True, "given!"),
        (FLASKS, True, False, "given!"),
        (("flask", "--debug", *FLASKS[1:]), True, True, "given!"),
        (("shop", "{port}"), True, False, "script"),
    ],
    ids=["ours", "ours, .flaskenv", "flask's", "flask's, reloading, .flaskenv", "script"],
)
def test_the_application_is_served(
    tmp_path: Path, command: tuple[str, ...], imports: bool, dotenv: bool, name: str
) -> None:
    layer = "import quart.flask_patch" if imports else ""
    (tmp_path / "shop.py").write_text(APP.replace("LAYER", layer))
    variables = {"FLASK_APP": GIVEN}
    if dotenv:
        (tmp_path / ".flaskenv").write_text(f'FLASK_APP="{variables.pop("FLASK_APP")}"\n')
    with served(command, tmp_path, environment(**variables), tmp_path / "log") as server:
        # The process that reloads listens before its child has started.
        with httpx.Client(base_url=server.url, timeout=PATIENCE, verify=False) as client:
            assert client.get("/").text == f"plain view of {name}"
            assert client.get("/async").text == f"async view of {name}"
        with connect(f"ws://127.0.0.1:{server.port}/websocket") as websocket:
            assert websocket.recv() == f"websocket of {name}"
    assert server.output().count("Serving Flask app 'shop") == 1
    assert server.output().count("Running on") in {1, 2}  # The reloaded process says so, too.


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_a_servers_log_says_that_the_layer_is_in_place(tmp_path: Path, server: str) -> None:
    (tmp_path / "shop.py").write_text(
        APP.replace("LAYER", "import quart.flask_patch") + "\napp = create_app()\n"
    )
    port = {"hypercorn": ("--bind", "127.0.0.1:{port}"), "uvicorn": ("--port", "{port}")}[server]
    command = (server, "shop:app", *port)
    with served(command, tmp_path, environment(), tmp_path / "log") as running:
        pass
    (line,) = [line for line in running.output().splitlines() if "in place of" in line]
    for name in ("quart-flask-patch", "Flask"):
        assert f"{name} {version(name)}" in line


def test_flasks_own_application_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import flask\nkept = [flask.Flask]\n")
    (tmp_path / "shop.py").write_text("import sitecustomize\napp = sitecustomize.kept[0]('shop')\n")
    done = subprocess.run(
        [sys.executable, "-m", "quart_flask_patch", "--app", "shop", "run", "--port", "0"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "which is Flask's own and can be served as WSGI only" in done.stderr
