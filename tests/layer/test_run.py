"""A Flask application is served for development as it always was, on the async core.

By our command line, by Flask's own, when the application imports the layer, and by `app.run()`.
"""

from __future__ import annotations

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
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            assert client.get("/").text == f"plain view of {name}"
            assert client.get("/async").text == f"async view of {name}"
        with connect(f"ws://127.0.0.1:{server.port}/websocket") as websocket:
            assert websocket.recv() == f"websocket of {name}"
    assert server.output().count("Serving Flask app 'shop") == 1
    assert server.output().count("Running on") in {1, 2}  # The reloaded process says so, too.
