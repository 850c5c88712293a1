"""Which clients are shown source and variables of an error, on real servers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from _serving import environment, PATIENCE, served

APP = """
import sys

import quart.flask_patch
import flask
import quart
from werkzeug.middleware.proxy_fix import ProxyFix

KIND = "{kind}"
app = quart.Quart(__name__) if KIND == "quart" else flask.Flask(__name__)
if KIND == "wrapped":
    app.wsgi_app = ProxyFix(app.wsgi_app)


@app.get("/plain")
def plain():
    secret = "hunter" * 2
    raise ValueError(f"{{len(secret)}} letters")


@app.get("/async")
async def asynchronous():
    plain()


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), debug=True, use_reloader=False)
else:
    app.config["DEBUG"] = True
"""
PORT = ("--port", "{port}")
DEVELOPMENT = {
    "run": ("quart_flask_patch", "--app", "failing", "run", *PORT),
    "run, reloading": ("quart_flask_patch", "--app", "failing", "--debug", "run", *PORT),
    "flask run": ("flask", "--app", "failing", "run", *PORT),
    "quart run": ("quart", "--app", "failing", "run", *PORT),
    "script": ("failing", "{port}"),
}
OTHERS = {
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}", "failing:app"),
    "uvicorn": ("uvicorn", *PORT, "failing:app"),
    "granian": ("granian", "--interface", "asgi", *PORT, "failing:app"),
    "daphne": ("daphne", "-b", "127.0.0.1", "-p", "{port}", "failing:app"),
}
#: What a client says of itself, and whether it is on this machine.
CLIENTS = [
    ({}, True),
    ({"Host": "localhost"}, True),
    ({"Host": "example.com"}, False),
    ({"X-Forwarded-For": "127.0.0.1"}, False),
    ({"Forwarded": "for=127.0.0.1"}, False),
]


VARIABLES = {"FLASK_DEBUG": "1", "QUART_DEBUG": "1"}


def write_app(folder: Path, kind: str) -> None:
    (folder / "failing.py").write_text(APP.format(kind=kind))


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("run", "flask"),
        ("run, reloading", "wrapped"),
        ("flask run", "flask"),
        ("quart run", "quart"),
        ("script", "flask"),
        ("script", "quart"),
    ],
)
def test_the_development_server_shows_variables_here(
    tmp_path: Path, kind: str, command: str
) -> None:
    write_app(tmp_path, kind)
    env = environment(**VARIABLES)
    with served(DEVELOPMENT[command], tmp_path, env, tmp_path / "log") as server:
        for path in ("/plain", "/async"):
            for headers, is_here in CLIENTS:
                # The process that reloads listens before its child has started.
                answer = httpx.get(
                    f"{server.url}{path}", headers=headers, timeout=PATIENCE, verify=False
                )
                assert answer.status_code == 500
                assert "ValueError: 12 letters" in answer.text
                assert ("hunterhunter" in answer.text) == is_here, headers


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ("hypercorn", "flask"),
        ("hypercorn", "wrapped"),
        ("hypercorn", "quart"),
        ("uvicorn", "flask"),
        ("granian", "flask"),
        ("daphne", "quart"),
    ],
)
def test_other_servers_show_nothing_though_debug_mode_is_on(
    tmp_path: Path, kind: str, server: str
) -> None:
    pytest.importorskip(server)
    write_app(tmp_path, kind)
    env = environment(**VARIABLES)
    with served(OTHERS[server], tmp_path, env, tmp_path / "log") as running:
        for path in ("/plain", "/async"):
            answer = httpx.get(f"{running.url}{path}", timeout=PATIENCE, verify=False)
            assert answer.status_code == 500
            assert "letters" not in answer.text
            assert "hunter" not in answer.text
    assert "ValueError: 12 letters" in running.output()
