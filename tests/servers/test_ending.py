"""A server that is told to end while clients are connected: it does, and nothing is left undone."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from _serving import end, environment, free_port, served, Server

HERE = Path(__file__).parent
#: In which a server ends though clients stay: its own grace period, and more for a slow machine.
PROMPT = 30.0
SAID = {
    "after_serving has run",
    "the stream has ended",
    "the handler that waits has ended",
    "the handler that receives has ended",
}
TERM, INT = signal.SIGTERM, signal.SIGINT


@dataclass(frozen=True)
class Way:
    """A way to serve."""

    name: str
    command: tuple[str, ...]
    #: What websockets are closed with.
    close_code: int
    #: How the process may end.
    exit_codes: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


RUN = ("quart", "--app", "_endless", "run", "--port", "{port}")
HYPERCORN = ("hypercorn", "_endless:app", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "_endless:app", "--port", "{port}", "--timeout-graceful-shutdown", "2")

WAYS = [
    Way("quart run", RUN, 1001),
    Way("quart run with reloader", (*RUN, "--reload"), 1001),
    Way("hypercorn", HYPERCORN, 1011),
    Way("hypercorn on uvloop", (*HYPERCORN, "-k", "uvloop"), 1011),
    # Once it has ended in order, it ends by the signal that it was sent.
    Way("uvicorn", UVICORN, 1012, (0, -TERM)),
]


def close_code(connection: ClientConnection) -> int | None:
    try:
        connection.recv(timeout=PROMPT)
    except ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code
    raise AssertionError("the websocket was not closed")


def wait_for(server: Server, text: str) -> None:
    limit = time.monotonic() + PROMPT
    while text not in server.output():
        assert time.monotonic() < limit, server.output()
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [TERM, INT], ids=lambda sent: sent.name)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_open_connections_do_not_keep_it(way: Way, sent: signal.Signals, tmp_path: Path) -> None:
    if importlib.util.find_spec(way.command[0]) is None:
        pytest.skip(f"{way.command[0]} is not installed")
    env = environment() | {"PYTHONWARNINGS": "default"}
    with ExitStack() as stack:
        server = stack.enter_context(served(way.command, HERE, env, tmp_path / "log"))
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=PROMPT, verify=False))
        others = stack.enter_context(ThreadPoolExecutor(1))
        events = stack.enter_context(http.stream("GET", "/events"))
        pieces = events.iter_text()
        next(pieces)
        sockets = [
            stack.enter_context(connect(f"ws://127.0.0.1:{server.port}/{path}", proxy=None))
            for path in ("waiting", "receiving")
        ]
        assert [socket.recv() for socket in sockets] == ["here", "here"]
        slow = others.submit(httpx.get, f"{server.url}/slow", timeout=PROMPT)
        wait_for(server, "slow has begun")

        server.was_stopped = True
        server.process.send_signal(sent)
        try:
            assert {close_code(socket) for socket in sockets} == {way.close_code}
            assert slow.result().text == "done all the same"
            with pytest.raises(httpx.RemoteProtocolError):
                list(pieces)
            assert server.process.wait(PROMPT) in way.exit_codes
        finally:
            end(server.process)
    assert set(server.output().splitlines()) >= SAID


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_clients_that_take_nothing_do_not_keep_it(way: Way, tmp_path: Path) -> None:
    if importlib.util.find_spec(way.command[0]) is None:
        pytest.skip(f"{way.command[0]} is not installed")
    env = environment() | {"PYTHONWARNINGS": "default"}
    with ExitStack() as stack:
        server = stack.enter_context(served(way.command, HERE, env, tmp_path / "log"))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        server.was_stopped = True
        server.process.send_signal(TERM)
        try:
            assert server.process.wait(PROMPT) in way.exit_codes
        finally:
            end(server.process)
    said = server.output().splitlines()
    assert said.index("the large stream has ended") < said.index("after_serving has run")


@pytest.mark.parametrize("sent", [TERM, INT], ids=lambda sent: sent.name)
def test_handlers_end_though_the_server_tells_nobody_that_it_stops(
    sent: signal.Signals, tmp_path: Path
) -> None:
    if importlib.util.find_spec("daphne") is None:
        pytest.skip("daphne is not installed")
    command = ("daphne", "-b", "127.0.0.1", "-p", "{port}", "_endless:app")
    env = environment() | {"PYTHONWARNINGS": "default"}
    with ExitStack() as stack:
        server = stack.enter_context(served(command, HERE, env, tmp_path / "log"))
        http = stack.enter_context(httpx.Client(base_url=server.url, timeout=PROMPT, verify=False))
        next(stack.enter_context(http.stream("GET", "/events")).iter_text())
        for path in ("waiting", "receiving"):
            url = f"ws://127.0.0.1:{server.port}/{path}"
            assert stack.enter_context(connect(url, proxy=None)).recv() == "here"
        server.was_stopped = True
        server.process.send_signal(sent)
        try:
            server.process.wait(PROMPT)
        finally:
            end(server.process)
    assert set(server.output().splitlines()) >= SAID - {"after_serving has run"}


FAILING = """
from quart import Quart
app = Quart(__name__)

@app.before_serving
async def connect():
    ERROR
"""


FAILED = 'raise RuntimeError("there is no database")'
EXITS = 'raise SystemExit("there is no database")'
ENDS = "raise SystemExit  # there is no database"
FAILING_WAYS = {
    ("quart", "--app", "failing", "run", "--port", "{port}"): 1,
    ("uvicorn", "failing:app", "--port", "{port}"): 3,
    ("granian", "--interface", "asgi", "--port", "{port}", "failing:app"): 1,
    ("hypercorn", "failing:app", "--bind", "127.0.0.1:{port}", "--workers", "0"): 1,
    # With worker processes its command loses the status of the one that failed.
    ("hypercorn", "failing:app", "--bind", "127.0.0.1:{port}"): 0,
}


@pytest.mark.parametrize("error", [FAILED, EXITS, ENDS], ids=["error", "exit", "exit-0"])
@pytest.mark.parametrize(
    ("command", "exit_code"), FAILING_WAYS.items(), ids=[way[0] for way in FAILING_WAYS]
)
def test_an_error_at_the_start_stops_it(
    command: tuple[str, ...], exit_code: int, error: str, tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text(FAILING.replace("ERROR", error))
    port = str(free_port())
    done = subprocess.run(
        [sys.executable, "-m", *(part.format(port=port) for part in command)],
        cwd=tmp_path,
        env=environment() | {"PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    log = done.stdout + done.stderr
    assert done.returncode == exit_code, log
    # The line itself, of whoever is to mend it.
    assert error in log
