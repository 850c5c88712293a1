"""The same `flask.Flask` object on WSGI servers, in processes of their own, over real sockets.

An application that moves to an ASGI server may go on being served by its WSGI server meanwhile.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from _serving import environment, environment_with, PATIENCE, served, Server

SOURCE = """
import asyncio
import threading
import time

import quart.flask_patch

from flask import Flask, g, request, session, stream_with_context

app = Flask(__name__)
app.secret_key = "secret"
barrier = threading.Barrier(2, timeout=10)


@app.before_request
async def prepare():
    await asyncio.sleep(0)
    g.prepared = request.path


@app.get("/sync")
def sync_view():
    return g.prepared


@app.get("/async")
async def async_view():
    await asyncio.sleep(0.001)
    return g.prepared


@app.get("/meet")
def meet():
    return {"number": barrier.wait()}


@app.get("/meet-async")
async def meet_async():
    # Each request has a thread of its own from the server, and a loop of its own in it.
    return {"number": barrier.wait()}


@app.get("/stream")
def stream():
    @stream_with_context
    def pieces():
        for number in range(3):
            yield f"{number} {request.path};"

    return pieces()


@app.get("/async-stream")
async def async_stream():
    async def pieces():
        for number in range(3):
            await asyncio.sleep(0.001)
            yield f"{number};"

    return pieces()


def told():
    files = {name: file.read().decode() for name, file in request.files.items()}
    return {**request.form, **{name: len(text) for name, text in files.items()}}


@app.post("/upload")
def upload():
    return told()


@app.post("/async-upload")
async def async_upload():
    await asyncio.sleep(0)
    return told()


@app.post("/body")
async def body():
    return str(len(request.get_data()))


@app.websocket("/ws")
async def echo():
    from quart import websocket

    await websocket.accept()


@app.get("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@app.get("/error")
def error():
    1 / 0


@app.get("/async-error")
async def async_error():
    await asyncio.sleep(0)
    1 / 0
"""

GEVENT = """
from gevent import monkey

monkey.patch_all()

import sys

from gevent.pywsgi import WSGIServer

from served import app

WSGIServer(("127.0.0.1", int(sys.argv[1])), app, log=None).serve_forever()
"""
EVENTLET = """
import eventlet

eventlet.monkey_patch()

import sys

from eventlet import wsgi

from served import app

wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), app, log_output=False)
"""
UWSGI = """
import sys

import pyuwsgi

port, *options = sys.argv[1:]
pyuwsgi.run(
    [
        *("--http-socket", f"127.0.0.1:{port}", "--module", "served:app", "--need-app"),
        # It closes each connection, and does not say so by itself.
        *("--add-header", "Connection: close", "--die-on-term", "--disable-logging"),
        *options,
    ]
)
"""
MOD_WSGI = """
import sys
from importlib.metadata import entry_points

sys.argv[1:] = [
    *("start-server", "served.py", "--callable-object", "app"),
    *("--host", "127.0.0.1", "--port", sys.argv[1], "--processes", "1", "--threads", "8"),
    *("--server-root", "mod_wsgi", "--log-to-terminal"),
]
(express,) = entry_points(group="console_scripts", name="mod_wsgi-express")
express.load()()
"""
#: What needs an environment of its own, and the packages of that.
APART = {
    "cheroot": ["cheroot"],
    "uWSGI, threads": ["pyuwsgi"],
    "mod_wsgi": ["mod_wsgi"],
    "uWSGI, gevent": ["pyuwsgi", "gevent"],
    "gunicorn, gevent": ["gevent"],
    "gevent.pywsgi": ["gevent"],
    "eventlet": ["eventlet"],
    "gunicorn, tornado": ["tornado"],
}
#: What has one thread, in which what blocks keeps all others waiting.
OF_ONE_THREAD = set(APART) - {"cheroot", "uWSGI, threads", "mod_wsgi"}

#: What does not say where a body without a length ends, or refuses one.
WITHOUT_CHUNKS = {"eventlet", "gunicorn, tornado", "uWSGI, threads", "uWSGI, gevent", "mod_wsgi"}

# Of gunicorn: its threads, and no socket in the home directory, which earlier releases have not.
SETTINGS = "control_socket_disable = True\nworker_class = 'gthread'\n"
COMMANDS = {
    "gunicorn": ["gunicorn", "served:app", "-b", "127.0.0.1:{port}", "--threads=8"],
    "waitress": ["waitress", "--listen", "127.0.0.1:{port}", "--threads", "8", "served:app"],
    "cheroot": ["cheroot", "--bind", "127.0.0.1:{port}", "served:app"],
    "uWSGI, threads": ["serve_by_uwsgi", "{port}", "--threads", "8"],
    "uWSGI, gevent": ["serve_by_uwsgi", "{port}", "--gevent", "50", "--gevent-early-monkey-patch"],
    "mod_wsgi": ["serve_by_mod_wsgi", "{port}"],
    "gunicorn, gevent": ["gunicorn", "served:app", "-b", "127.0.0.1:{port}", "-k", "gevent"],
    "gevent.pywsgi": ["serve_by_gevent", "{port}"],
    "eventlet": ["serve_by_eventlet", "{port}"],
    "gunicorn, tornado": ["gunicorn", "served:app", "-b", "127.0.0.1:{port}", "-k", "tornado"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if sys.platform == "win32" and request.param.startswith(("gunicorn", "uWSGI", "mod_wsgi")):
        pytest.skip("It needs fork.")
    if request.param == "mod_wsgi" and os.geteuid() == 0:
        pytest.skip("Apache does not serve as root, and its user may not read this Python.")
    folder = tmp_path_factory.mktemp("served")
    python, variables = sys.executable, {}
    if request.param in APART:
        python = environment_with(folder, *APART[request.param])
        # What they warn of is theirs.
        variables = {"PYTHONWARNINGS": ""}
    else:
        pytest.importorskip(request.param)
    files = {"served.py": SOURCE, "gunicorn.conf.py": SETTINGS}
    files |= {"serve_by_gevent.py": GEVENT, "serve_by_eventlet.py": EVENTLET}
    files |= {"serve_by_uwsgi.py": UWSGI, "serve_by_mod_wsgi.py": MOD_WSGI}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    command, env = COMMANDS[request.param], {**environment(), **variables}
    with served(command, folder, env, folder / "log", python) as server:
        server.kind = request.param
        yield server
    # The errors of the views that fail, and no others.
    output = server.output()
    assert output.count("Traceback") == output.count("ZeroDivisionError"), output


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE, verify=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_views(client: httpx.Client, path: str) -> None:
    for _ in range(3):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, path)


@pytest.mark.parametrize("path", ["/meet", "/meet-async"])
def test_requests_are_served_at_once(server: Server, client: httpx.Client, path: str) -> None:
    if server.kind in OF_ONE_THREAD:
        pytest.skip("It has one thread, in which what blocks keeps all others waiting.")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(client.get, [path, path]))
    assert sorted(answer.json()["number"] for answer in answers) == [0, 1]


@pytest.mark.parametrize("path", ["/sync", "/async", "/stream", "/async-stream"])
def test_many_requests_at_once_and_one_after_the_other(server: Server, path: str) -> None:
    def ask(_: int) -> tuple[int, str]:
        answer = httpx.get(f"{server.url}{path}", timeout=PATIENCE, verify=False)
        return answer.status_code, answer.text

    expected = ask(0)
    assert expected[0] == 200
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {expected}
    with httpx.Client(base_url=server.url, timeout=PATIENCE, verify=False) as client:
        answers = {(answer.status_code, answer.text) for answer in map(client.get, [path] * 200)}
    assert answers == {expected}


def test_a_websockets_url(client: httpx.Client) -> None:
    """A WSGI server cannot open one, and the client is told so."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert client.get("/ws").status_code == 400
    assert client.get("/ws", headers={**upgrade, **key}).status_code == 400


def test_streams(client: httpx.Client) -> None:
    assert client.get("/stream").text == "0 /stream;1 /stream;2 /stream;"
    assert client.get("/async-stream").text == "0;1;2;"


@pytest.mark.parametrize("path", ["/upload", "/async-upload"])
def test_uploads(client: httpx.Client, path: str) -> None:
    # More than is kept in memory, and more than one piece.
    files = {"file": ("a.txt", b"x" * 600_000)}
    assert client.post(path, data={"name": "value"}, files=files).json() == {
        "name": "value",
        "file": 600_000,
    }


def test_a_chunked_body(server: Server, client: httpx.Client) -> None:
    if server.kind in WITHOUT_CHUNKS:
        pytest.skip("It takes no body without a length.")

    def pieces() -> Iterator[bytes]:
        for _ in range(10):
            yield b"x" * 10_000

    assert client.post("/body", content=pieces()).text == "100000"


def test_the_session(client: httpx.Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]


@pytest.mark.parametrize("path", ["/error", "/async-error"])
def test_an_error(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 500
    assert "Internal Server Error" in answer.text
    assert client.get("/sync").text == "/sync"
