"""On real servers: sync and async requests at once, over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from _serving import free_port

SOURCE = """
import importlib
import os
import threading

import quart.flask_patch

from flask import Flask, request
from quart import websocket

app = Flask(__name__)
library = importlib.import_module(os.environ["ASYNC_LIBRARY"])


# Nobody goes on before all are here.
COUNT = 30
barrier, here, all_here = threading.Barrier(COUNT), [], library.Event()


@app.get("/sync/<int:number>")
def sync_view(number):
    barrier.wait(20)
    return str(number)


@app.get("/async/<int:number>")
async def async_view(number):
    here.append(number)
    if len(here) == COUNT:
        all_here.set()
    await all_here.wait()
    return str(number)


def measure():
    return len(request.get_data())


@app.post("/length")
async def length():
    return str(measure())


@app.post("/sync-length")
def sync_length():
    return str(measure())


@app.get("/stream")
def stream():
    return (f"data: {number}\\n\\n" for number in range(3)), {"Content-Type": "text/event-stream"}


@app.get("/error")
def error():
    1 / 0


app.config["WEBSOCKET_ORIGINS"] = "same"
views = []


@app.before_request
def guard():
    if request.path.startswith("/members") and request.args.get("token") != "secret":
        return "no", 401


@app.websocket("/members")
async def members():
    views.append("members")
    await websocket.send("welcome")


@app.websocket("/members/forgotten")
async def forgotten():
    pass


@app.get("/views")
def what_ran():
    return views
"""
LIMIT = 30.0


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the server did not start:\n{log.read_text()}")


COMMANDS = {
    "hypercorn": ["hypercorn", "served:app", "--bind", "127.0.0.1:{port}"],
    "hypercorn uvloop": ["hypercorn", "served:app", "-k", "uvloop", "--bind", "127.0.0.1:{port}"],
    "hypercorn trio": ["hypercorn", "served:app", "-k", "trio", "--bind", "127.0.0.1:{port}"],
    "uvicorn": ["uvicorn", "served:app", "--port", "{port}"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "served:app"],
    "daphne": ["daphne", "-b", "127.0.0.1", "-p", "{port}", "served:app"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server in a process of its own, which must end when asked to."""
    for library in request.param.split():
        pytest.importorskip(library)
    folder = tmp_path_factory.mktemp("served")
    (folder / "served.py").write_text(SOURCE, encoding="utf-8")
    port, log = free_port(), folder / "log"
    command = [part.format(port=port) for part in COMMANDS[request.param]]
    environment = {name: v for name, v in os.environ.items() if not name.startswith("QUART_")}
    environment["ASYNC_LIBRARY"] = "trio" if "trio" in request.param else "asyncio"
    environment["PYTHONWARNINGS"] = "error,default::ResourceWarning,default::DeprecationWarning"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=folder, env=environment, stdout=file, stderr=file
        )
    try:
        wait_until_ready(process, port, log)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)
    finally:
        process.kill()
        process.wait()
    # The errors of the view that fails, and no others.
    output = log.read_text()
    assert output.count("Traceback") == output.count("ZeroDivisionError"), output


def test_sync_and_async_requests_at_once(server: str) -> None:
    async def main() -> None:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(
            base_url=server, limits=limits, timeout=LIMIT, verify=False
        ) as client:
            paths = [f"/{kind}/{n}" for n in range(30) for kind in ("sync", "async")]
            answers = await asyncio.gather(*map(client.get, paths))
            assert [a.text for a in answers] == [path.rpartition("/")[2] for path in paths]

    asyncio.run(main())


def test_uploads(server: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 10_000

    for path in ("/length", "/sync-length"):
        assert httpx.post(server + path, content=b"hello", timeout=LIMIT, verify=False).text == "5"
        # Chunked, since its length is not known.
        assert (
            httpx.post(server + path, content=pieces(), timeout=LIMIT, verify=False).text
            == "200000"
        )


def test_a_stream(server: str) -> None:
    with httpx.stream("GET", f"{server}/stream", timeout=LIMIT, verify=False) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines == ["data: 0", "data: 1", "data: 2"]


def test_an_error(server: str) -> None:
    assert httpx.get(f"{server}/error", timeout=LIMIT, verify=False).status_code == 500


def refusal(server: str, path: str, **options: Any) -> int:
    url = server.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=LIMIT, **options):
        pass
    return refused.value.response.status_code


def test_a_websocket_is_guarded(server: str, request: pytest.FixtureRequest) -> None:
    # Its server has no other word for a refusal.
    only_403 = "daphne" in request.node.name
    assert refusal(server, "/members") == (403 if only_403 else 401)
    other = {"origin": Origin("https://elsewhere.example")}
    assert refusal(server, "/members?token=secret", **other) == 403
    assert refusal(server, "/members/forgotten?token=secret") == (403 if only_403 else 500)
    assert httpx.get(f"{server}/views", timeout=LIMIT, verify=False).json() == []
    url = f"{server.replace('http', 'ws')}/members?token=secret"
    with connect(url, open_timeout=LIMIT, origin=Origin(server)) as websocket:
        assert websocket.recv(LIMIT) == "welcome"
        # On Trio hypercorn fails now and then where both sides close at once.
        with pytest.raises(ConnectionClosed):
            websocket.recv(LIMIT)
    assert httpx.get(f"{server}/views", timeout=LIMIT, verify=False).json() == ["members"]
