"""`migrate beside` with large bodies and slow clients: neither side's memory grows with them."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from _serving import environment, served, Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

PROGRAM = """
import hashlib
import os
import quart_flask_patch
from flask import Flask, request, Response

app = Flask(__name__)
app.secret_key = "shared"
CHUNK = bytes(range(256)) * 256
made = 0
ended = 0

@app.get("/endless")
def endless():
    def chunks():
        global made, ended
        try:
            while True:
                made += len(CHUNK)
                yield CHUNK
        finally:
            ended += 1
    return Response(chunks())

@app.get("/large/<int:count>")
def large(count):
    return Response(CHUNK for _ in range(count))

@app.post("/upload")
def upload():
    digest, size = hashlib.sha256(), 0
    while chunk := request.stream.read(65536):
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "digest": digest.hexdigest()}

@app.get("/state")
def state():
    return {"pid": os.getpid(), "made": made, "ended": ended}

if type(app).__module__ != "flask.app":
    from quart_flask_patch.migrate.beside import beside

    both = beside(app, "program:app", threads=4)
"""
CHUNK = bytes(range(256)) * 256
MIB = 1 << 20
#: What buffers of sockets and servers may take, whatever the size of a body.
BOUND = 40 * MIB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "program.py").write_text(PROGRAM, "utf-8")
    # In the one process, whose memory is looked at.
    command = ["hypercorn", "program:both", "--bind", "127.0.0.1:{port}", "--workers", "0"]
    with served(
        [*command, "--graceful-timeout", "1"], folder, environment(), folder / "log"
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False, verify=False) as client:
        yield client


def state(client: httpx.Client) -> dict[str, int]:
    found: dict[str, int] = client.get("/state").json()
    return found


def memory(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) << 10


def of_both(server: Server, client: httpx.Client) -> tuple[int, int]:
    """Return the memory of the process in front, and that of the old application's."""
    return memory(server.process.pid), memory(state(client)["pid"])


def until(is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.05)  # between two looks


def at_rest(read: Callable[[], int]) -> int:
    """Return a count once it has not changed for a while."""
    values = [read()]
    until(lambda: values.append(read()) or values[-12:] == values[-1:] * 12)  # type: ignore[func-returns-value]  # it returns None
    return values[-1]


def test_an_answer_is_made_as_fast_as_its_client_reads(
    server: Server, client: httpx.Client
) -> None:
    before = of_both(server, client)
    ended = state(client)["ended"]
    with closing(socket.create_connection(("127.0.0.1", server.port))) as slow:
        slow.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(1000).startswith(b"HTTP/1.1 200")
        made = at_rest(lambda: state(client)["made"])
        # It goes on when the client does.
        left = made
        while left > 0:
            left -= len(slow.recv(65536))
        until(lambda: state(client)["made"] > made)
        after = of_both(server, client)
    assert made < BOUND
    assert [now - then < BOUND for now, then in zip(after, before, strict=True)] == [True, True]
    until(lambda: state(client)["ended"] == ended + 1)


def test_bodies_that_are_larger_than_the_bound_go_through(
    server: Server, client: httpx.Client
) -> None:
    count = 2 * BOUND // len(CHUNK)
    before = of_both(server, client)
    sent = (CHUNK for _ in range(count))
    found = client.post("/upload", content=sent).json()
    assert found["size"] == count * len(CHUNK)
    with client.stream("GET", f"/large/{count}") as response:
        assert sum(map(len, response.iter_raw())) == count * len(CHUNK)
    after = of_both(server, client)
    assert [now - then < BOUND for now, then in zip(after, before, strict=True)] == [True, True]


def connections(server: Server) -> int:
    folder = Path(f"/proc/{server.process.pid}/fd")
    return sum(1 for each in folder.iterdir() if "socket" in os.readlink(each))


def test_a_client_that_leaves_amid_its_request_leaves_nothing(
    server: Server, client: httpx.Client
) -> None:
    state(client)
    before = connections(server)
    for _ in range(5):
        with closing(socket.create_connection(("127.0.0.1", server.port))) as gone:
            gone.sendall(
                b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + CHUNK
            )
    # A later client is answered: by then the others have been there.
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False, verify=False) as later:
        assert later.post("/upload", content=b"x").json()["size"] == 1
    until(lambda: connections(server) <= before)
    assert "Traceback" not in server.output()


def test_an_answer_that_the_old_one_does_not_end_is_broken_off(
    server: Server, client: httpx.Client
) -> None:
    pid = state(client)["pid"]
    with client.stream("GET", "/endless") as response:
        parts = response.iter_raw()
        next(parts)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.RemoteProtocolError):
            sum(map(len, parts))
    until(lambda: client.get("/state").status_code == 200)
    assert state(client)["pid"] != pid
