"""The same `flask.Flask` object on WSGI servers, in processes of their own, over real sockets.

An application that moves to an ASGI server may go on being served by its WSGI server meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from _serving import environment, PATIENCE, served, Server

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

# Of gunicorn: its threads, and no socket in the home directory, which earlier releases have not.
SETTINGS = "control_socket_disable = True\nworker_class = 'gthread'\n"
COMMANDS = {
    "gunicorn": ["gunicorn", "served:app", "-b", "127.0.0.1:{port}", "--threads=8"],
    "waitress": ["waitress", "--listen", "127.0.0.1:{port}", "--threads", "8", "served:app"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "gunicorn" and sys.platform == "win32":
        pytest.skip("gunicorn needs fork")
    pytest.importorskip(request.param)
    folder = tmp_path_factory.mktemp("served")
    (folder / "served.py").write_text(SOURCE, encoding="utf-8")
    (folder / "gunicorn.conf.py").write_text(SETTINGS, encoding="utf-8")
    with served(COMMANDS[request.param], folder, environment(), folder / "log") as server:
        yield server
    # The errors of the views that fail, and no others.
    output = server.output()
    assert output.count("Traceback") == output.count("ZeroDivisionError"), output


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_views(client: httpx.Client, path: str) -> None:
    for _ in range(3):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (200, path)


@pytest.mark.parametrize("path", ["/meet", "/meet-async"])
def test_requests_are_served_at_once(client: httpx.Client, path: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(client.get, [path, path]))
    assert sorted(answer.json()["number"] for answer in answers) == [0, 1]


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


def test_a_chunked_body(client: httpx.Client) -> None:
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
