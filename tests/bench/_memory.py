"""What idle websockets hold, and what passing a GiB through takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import chain, repeat

from ._contenders import CONTENDERS, versus
from ._driver import Failure
from ._environments import versions
from ._http import Connection
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples
from ._servers import require_linux, Running, running
from ._settings import Settings, Skipped
from ._wrk import as_lists, services

SERVER = "uvicorn"
WEBSOCKETS = 10_000
MIB = 1024
# So many handshakes are under way at a time: no listener has to queue more.
_BATCH = 100
_LIMIT = 16.0
_PIECE = b"x" * 64 * 1024
_PIECES_PER_MIB = 16
_HEAD = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\n\r\n'
_TAIL = b"\r\n--frontier--\r\n"
_SOCKETS = ("quart", "starlette", "quart022")
_FACES = ("quart", "layer-thread", "layer-loop", "starlette", "quart022")
_IDLE = "idle websocket"
Trial = Callable[[Running, int], float]


def run(settings: Settings) -> Section:
    """Each trial on a server of its own, one after the other."""
    require_linux()
    count, mib = settings.number(WEBSOCKETS), settings.number(MIB)
    _allow_sockets(count)
    found, faults = Samples(), list[str]()
    _try(settings, _IDLE, _idle, count, _SOCKETS, found, faults)
    for title, trial in _PASSING.items():
        _try(settings, title, trial, mib, _FACES, found, faults)
    return Section(
        f"{SERVER}, one worker, {count} websockets, {mib} MiB, {machine()}; "
        + versions("uvicorn", "httptools", "websockets", "uvloop"),
        [
            _table(settings, f"KiB for each of {count} idle websockets", {_IDLE}, found),
            _table(settings, f"Peak MiB above idle while {mib} MiB pass", set(_PASSING), found),
        ],
        _targets(found),
        faults=faults,
        data=as_lists(found),
    )


def _try(
    settings: Settings,
    title: str,
    trial: Trial,
    size: int,
    names: Iterable[str],
    found: Samples,
    faults: list[str],
) -> None:
    for service in services(settings, SERVER, *names):
        settings.say(f"{title}, {service.title}")
        with running([service]) as (server,):
            try:
                found.add(title, service.contender.name, trial(server, size))
            except (Failure, OSError) as failure:
                faults.append(f"{title}, {service.name}: {failure} {server.output()}".strip())


def _table(settings: Settings, title: str, rows: set[str], found: Samples) -> Table:
    kept = {row: row for row, _ in found if row in rows}
    columns = settings.chosen(*_FACES)
    return Table(title, columns, grid(kept, columns, found.median))


def _targets(found: Samples) -> list[Target]:
    return [
        *(
            Target(
                versus(f"{_IDLE}, KiB", "quart", peer),
                1.0,
                found.ratio(_IDLE, "quart", peer),
                is_main=peer == "starlette",
            )
            for peer in ("starlette", "quart022")
        ),
        *(
            Target(f"{title}: {CONTENDERS[name].title}, MiB", _LIMIT, found.median(title, name))
            for title in _PASSING
            for name in ("quart", "layer-thread", "layer-loop")
        ),
    ]


def _allow_sockets(count: int) -> None:
    """Servers inherit the limit."""
    import resource  # which Windows lacks

    needed = count + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Skipped(f"needs {needed} open files in a process, the limit is {hard}: ulimit -Hn")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _idle(server: Running, count: int) -> float:
    """KiB for each websocket whose view waits for a message, after it has echoed one."""
    with ExitStack() as stack:
        _open(server, stack, _BATCH)
        before = server.memory()
        _open(server, stack, count)
        time.sleep(1.0)
        return (server.memory() - before) / count * 1024


def _open(server: Running, stack: ExitStack, count: int) -> None:
    for done in range(0, count, _BATCH):
        opened = [Connection(server.port) for _ in range(min(_BATCH, count - done))]
        for connection in opened:
            stack.callback(connection.close)
            connection.open_websocket("/ws")
        for connection in opened:
            connection.await_websocket()
            if connection.echo(b"hello") != b"hello":
                raise Failure("expected the message back")


def _count(server: Running, mib: int) -> float:
    return _send(server, "/count", mib, "application/octet-stream", b"", b"")


def _multipart(server: Running, mib: int) -> float:
    return _send(server, "/upload", mib, "multipart/form-data; boundary=frontier", _HEAD, _TAIL)


def _send(server: Running, path: str, mib: int, kind: str, head: bytes, tail: bytes) -> float:
    def pass_through(connection: Connection) -> bool:
        size = len(head) + mib * 1024 * 1024 + len(tail)
        headers = (f"Content-Type: {kind}", f"Content-Length: {size}")
        connection.send(path, "POST", headers)
        connection.upload(chain([head], repeat(_PIECE, mib * _PIECES_PER_MIB), [tail]))
        return int(connection.read()) == mib * 1024 * 1024

    return _rise(server, pass_through)


def _download(server: Running, mib: int) -> float:
    def pass_through(connection: Connection) -> bool:
        connection.send(f"/download/{mib}")
        size = 0
        for piece in connection.pieces():
            if not size:
                # A client that does not keep up, for a while.
                time.sleep(1.0)
            size += len(piece)
        return size >= mib * 1024 * 1024

    return _rise(server, pass_through)


def _rise(server: Running, pass_through: Callable[[Connection], bool]) -> float:
    """By how many MiB the peak is above what the server held when it was warm and idle."""
    server.get("/json")
    connection = Connection(server.port)
    try:
        server.forget_peak()
        before = server.peak()
        if not pass_through(connection):
            raise Failure("expected as many bytes as were sent")
        return server.peak() - before
    finally:
        connection.close()


_PASSING: dict[str, Trial] = {
    "upload, read in pieces": _count,
    "upload of a file, multipart": _multipart,
    "download, streamed": _download,
}
