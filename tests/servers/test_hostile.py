"""Hostile clients of real servers: odd requests over a socket, and websockets that want memory."""

from __future__ import annotations

import importlib.util
import signal
import socket
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from _serving import end, environment, served, Server

from .conftest import check_log
from .test_memory import MIB, peak

HERE = Path(__file__).parent
UVICORN = ("uvicorn", "_hostile:app", "--port", "{port}", "--http")
COMMANDS = {
    "hypercorn": ("hypercorn", "_hostile:app", "--bind", "127.0.0.1:{port}"),
    "uvicorn with h11": (*UVICORN, "h11"),
    "uvicorn with httptools": (*UVICORN, "httptools"),
    "granian": ("granian", "--interface", "asgi", "--port", "{port}", "_hostile:app"),
    "daphne": ("daphne", "-b", "127.0.0.1", "-p", "{port}", "_hostile:app"),
}
PATIENCE = 20.0
#: What does not hold on a server, by the beginning of the test's name and what follows in it.
ITS_OWN = {
    ("daphne", "an odd length"): "receives the whole body before it calls the application",
    ("daphne", "flood"): "keeps all messages that the application has not received",
    **{(name, "grows"): "does not compress websockets" for name in ("daphne", "granian")},
}


@pytest.fixture(scope="module", params=COMMANDS)
def command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    package = "httptools" if request.param.endswith("httptools") else COMMANDS[request.param][0]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return COMMANDS[request.param]


def leave_to(command: tuple[str, ...], what: str) -> None:
    """Skip what the server that *command* starts has to answer for, and no application can."""
    why = ITS_OWN.get((command[0], what))
    if why is not None:
        pytest.skip(f"{command[0]} {why}")


@pytest.fixture(scope="module", params=["flask", "quart"])
def application(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(
    command: tuple[str, ...],
    application: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("hostile") / "log"
    env = environment(APPLICATION_KIND=application) | {"PYTHONWARNINGS": "default"}
    with served(command, HERE, env, log) as one:
        yield one
    check_log(one.output())


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n"
REQUESTS: dict[str, tuple[bytes, bytes, bytes, set[int]]] = {
    "an absolute target": (b"GET http://other.example/n/1", b"", b"", {200}),
    "half a host in a target": (b"GET http://[/n/1", b"", b"", {400, 404}),
    "a number of 5000 digits": (b"GET /n/" + b"9" * 5000, b"", b"", {404}),
    "encoded marks": (b"GET /s/%23%3Fa%00", b"", b"", {200}),
    "bytes that are not UTF-8": (b"GET /s/%FF%C3?a=%FF&%E4", b"", b"", {200}),
    "an encoded slash": (b"GET /s/%2F%2E%2E", b"", b"", {404, 308}),
    "two slashes at first": (b"GET //evil.example/..", b"", b"", {404, 308}),
    "half a host": (b"GET /plain", b"Host: [::1\r\n", b"", {200, 400}),
    "a host that is not ASCII": (b"GET /plain", b"Host: \xe2\x84\x80\r\n", b"", {200, 400}),
    "odd cookies": (b"GET /plain", b'Cookie: session=\xff; a="; =;;\r\n', b"", {200}),
    "an odd form": (b"POST /plain", FORM, b"a=\xff&=&%", {200}),
    "an odd range": (b"GET /plain", b"Range: bytes=9-" + b"9" * 5000 + b"\r\n", b"", {200}),
    "an odd length": (b"POST /plain", b"Content-Length: " + b"9" * 99 + b"\r\n", b"", {400, 413}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_odd_requests_have_an_answer(command: tuple[str, ...], server: Server, name: str) -> None:
    leave_to(command, name)
    line, headers, body, statuses = REQUESTS[name]
    if b"Host:" not in headers:
        headers += b"Host: localhost\r\n"
    with connect(server) as connection, connection.makefile("rb") as answer:
        connection.sendall(line + b" HTTP/1.1\r\n" + headers + b"Connection: close\r\n\r\n" + body)
        assert int(answer.readline().split()[1]) in statuses


class Websocket:
    """A websocket whose frames are made by hand; its mask is 0."""

    def __init__(self, server: Server, path: str) -> None:
        self.socket = connect(server)
        self._file: BinaryIO = self.socket.makefile("rb")
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Extensions: permessage-deflate",
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b" 101 " in self._file.readline()
        self.compresses = False
        while line := self._file.readline().strip():
            self.compresses |= b"permessage-deflate" in line

    @staticmethod
    def frame(payload: bytes, first: int = 0x82) -> bytes:
        return bytes([first, 0x80 | 127]) + len(payload).to_bytes(8) + bytes(4) + payload

    def answer(self) -> tuple[int, bytes]:
        """Return the kind of the next frame, and what it holds."""
        first, size = self._file.read(2)
        if size == 126:
            size = int.from_bytes(self._file.read(2))
        return first & 15, self._file.read(size)

    def flood(self, most: int) -> None:
        """Send messages of *most* bytes in all, unless the server takes no more of them."""
        frame = self.frame(bytes(64 * 1024))
        self.socket.settimeout(1)
        with suppress(TimeoutError, ConnectionError):
            for _ in range(most // len(frame)):
                self.socket.sendall(frame)

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture(params=["", "/taken"], ids=["the core's", "taken over"])
def kind(request: pytest.FixtureRequest, application: str) -> str:
    if request.param and application == "quart":
        pytest.skip("only a Flask application has an extension that takes websockets over")
    return str(request.param)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="asks Linux for the memory used"
)


@needs_proc
def test_a_message_that_grows_is_refused(
    command: tuple[str, ...], server: Server, kind: str
) -> None:
    leave_to(command, "grows")
    client = Websocket(server, f"{kind}/echo")
    assert client.compresses
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    # A GiB of zeros: each part stands for itself, so the same one may come again and again.
    packed = (deflate.compress(bytes(MIB)) + deflate.flush(zlib.Z_FULL_FLUSH)) * 1024
    before = peak(server)
    client.socket.sendall(client.frame(packed[:-4], first=0xC2))
    opcode, said = client.answer()
    assert (opcode, int.from_bytes(said[:2])) == (8, 1009)
    client.close()
    # Hypercorn looks at the size once it has unpacked all that it had read, 64 KiB at most.
    assert peak(server) - before < 320 * MIB


@needs_proc
def test_a_flood_of_messages_is_not_kept(
    command: tuple[str, ...], server: Server, kind: str
) -> None:
    leave_to(command, "flood")
    if kind == "/taken":
        pytest.skip("Flask-Sock keeps whatever it receives, on Flask as well")
    client = Websocket(server, f"{kind}/idle")
    assert client.answer()[0] == 1
    before = peak(server)
    client.flood(128 * MIB)
    client.close()
    assert peak(server) - before < 64 * MIB


def test_it_ends_while_clients_flood_it(
    command: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if command[0] == "hypercorn" and sys.version_info >= (3, 12):
        # https://github.com/pgjones/hypercorn/issues/308
        request.applymarker(pytest.mark.xfail(reason="waits for its connections without a limit"))
    env = environment(APPLICATION_KIND="flask") | {"PYTHONWARNINGS": "default"}
    command = (*command, *(["--timeout-graceful-shutdown", "2"] if command[0] == "uvicorn" else []))
    with ExitStack() as stack:
        server = stack.enter_context(served(command, HERE, env, tmp_path / "log"))
        for path in ("/idle", "/idle", "/taken/idle"):
            client = Websocket(server, path)
            stack.callback(client.close)
            assert client.answer()[0] == 1
            client.flood(8 * MIB)
        server.was_stopped = True
        server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(PATIENCE)
        finally:
            end(server.process)
