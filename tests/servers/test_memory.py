"""Large bodies, either way, on a real server: they pass through and are never held as a whole."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from _serving import environment, served, Server

HERE = Path(__file__).parent
MIB = 1 << 20
SIZE = 48 * MIB
BOUNDARY = "-" * 20
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
#: How much more memory a server may have used in the end, and how long it may keep others waiting.
MORE, WAIT = 16 * MIB, 2.0

COMMANDS = [
    ("hypercorn", "_large:app", "--bind", "127.0.0.1:{port}"),
    ("uvicorn", "_large:app", "--port", "{port}"),
]


def peak(server: Server) -> int:
    """Return the most bytes of memory that the server's processes have had at once."""
    own = str(server.process.pid)
    children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in [own, *children]]
    return sum(int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024 for text in texts)


def pieces(head: bytes = b"", tail: bytes = b"") -> Iterator[bytes]:
    yield head
    for _ in range(SIZE // MIB):
        yield b"\x01" * MIB
    yield tail


@contextmanager
def longest_wait(url: str) -> Iterator[list[float]]:
    """Ask for a short answer all the time, and put down how long it took each time."""
    waits: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(verify=False) as http:
            while not ended.is_set():
                start = time.monotonic()
                assert http.get(f"{url}/ping").text == "pong"
                waits.append(time.monotonic() - start)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield waits
    finally:
        ended.set()
        asking.join()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory used")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_large_bodies_pass_through(command: tuple[str, ...], tmp_path: Path) -> None:
    env = environment() | {"PYTHONWARNINGS": "default"}
    multipart = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with (
        served(command, HERE, env, tmp_path / "log") as server,
        httpx.Client(base_url=server.url, timeout=60, verify=False) as http,
    ):
        small = http.post("/uploaded", content=HEAD + b"x" + TAIL, headers=multipart)
        assert (small.text, http.get("/uploaded").content) == ("1", b"x")
        http.post("/digest", content=b"x")
        before = peak(server)
        with longest_wait(server.url) as waits:
            answer = http.post("/uploaded", content=pieces(HEAD, TAIL), headers=multipart)
            assert answer.text == str(SIZE)
            digest = http.post("/digest", content=pieces()).text
            assert digest == hashlib.sha256(b"".join(pieces())).hexdigest()
            with http.stream("GET", "/uploaded") as sent:
                assert sum(map(len, sent.iter_raw())) == SIZE
            part = http.get("/uploaded", headers={"Range": f"bytes={SIZE - 3}-"})
            assert (part.status_code, part.content) == (206, b"\x01" * 3)
        http.delete("/uploaded")
        assert peak(server) - before < MORE
        assert max(waits) < WAIT
