"""A file's body is read on the event loop where nobody waits for a disk, else in a thread."""

from __future__ import annotations

import asyncio
import builtins
import errno
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from quart.wrappers import _bodies, _reading
from quart.wrappers.response import FileBody

CONTENT = bytes(range(256)) * 1024
needs_flag = pytest.mark.skipif(_reading.NOW is None, reason="this kernel cannot tell")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    return path


def read(body: FileBody) -> list[bytes]:
    async def main() -> list[bytes]:
        async with body as chunks:
            return [chunk async for chunk in chunks]

    return asyncio.run(main())


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was called in a worker thread."""
    called: list[Any] = []
    original = _bodies.call

    async def noting(func: Any, *args: Any) -> Any:
        called.append(func)
        return await original(func, *args)

    monkeypatch.setattr(_bodies, "call", noting)
    monkeypatch.setattr(_reading, "call", noting)
    return called


def refusing(monkeypatch: pytest.MonkeyPatch, *turns: int | BaseException) -> None:
    """Let the kernel give at most so many bytes, or refuse, in turn; then all is in memory."""
    answers, original = iter(turns), os.preadv

    def preadv(number: int, buffers: Any, at: int, flag: int) -> int:
        answer = next(answers, None)
        if isinstance(answer, BaseException):
            raise answer
        if answer is not None:
            buffers = [buffers[0][:answer]]
        return original(number, buffers, at, flag)

    monkeypatch.setattr(os, "preadv", preadv)


@needs_flag
@pytest.mark.parametrize("size", [None, 1, 1000, 1 << 20])
def test_what_is_in_memory_needs_no_thread(
    file: Path, size: int | None, in_threads: list[Any]
) -> None:
    if size == 1:
        file.write_bytes(CONTENT[:100])
    found = read(FileBody(file, buffer_size=size))
    assert b"".join(found) == file.read_bytes()
    assert max(map(len, found)) <= (size or _bodies.CHUNK_SIZE)
    assert in_threads == []


@needs_flag
@pytest.mark.parametrize(
    "turns",
    [
        [BlockingIOError()],
        [BlockingIOError()] * 9,
        [1, BlockingIOError(), 70, 3, BlockingIOError()],
        [OSError(errno.EOPNOTSUPP, "not on this file system")],
    ],
)
def test_what_is_not_is_read_in_a_thread(
    file: Path, turns: Any, in_threads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, *turns)
    assert b"".join(read(FileBody(file))) == CONTENT
    refused = sum(isinstance(turn, OSError) for turn in turns)
    assert in_threads == [os.pread] * min(refused, -(-len(CONTENT) // _bodies.CHUNK_SIZE))


@needs_flag
@pytest.mark.parametrize("turns", [[], [BlockingIOError()] * 9])
@pytest.mark.parametrize(("begin", "end"), [(0, 1), (5, 70_000), (65_535, None), (-3, None)])
def test_a_part_is_that_part(
    file: Path, begin: int, end: int | None, turns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, *turns)
    body = FileBody(file)
    asyncio.run(body.make_conditional(begin, end))
    assert b"".join(read(body)) == CONTENT[begin:end]


@pytest.mark.parametrize("turns", [[], [BlockingIOError()] * 9])
def test_a_file_that_shrinks_ends_early(
    file: Path, turns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, *turns)
    body = FileBody(file)
    os.truncate(file, 70_000)
    assert b"".join(read(body)) == CONTENT[:70_000]


def test_an_empty_one_has_no_pieces(tmp_path: Path) -> None:
    (empty := tmp_path / "empty").touch()
    assert read(FileBody(empty)) == []


def test_one_that_is_gone_is_an_error_when_it_is_read(file: Path) -> None:
    body = FileBody(file)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read(body)


@needs_flag
def test_an_error_of_the_disk_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object) -> bytes:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(os, "preadv", failing)
    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(OSError, match="broken"):
        read(FileBody(file))


def test_a_kernel_that_cannot_tell_is_not_asked(
    file: Path, in_threads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_reading, "NOW", None)
    assert b"".join(read(FileBody(file))) == CONTENT
    assert len(in_threads) > 2


def test_files_that_are_not_the_kernels_are_read_as_they_want(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of pyfakefs, whose descriptors are numbers of other files."""
    readers: list[threading.Thread] = []

    class Fake(io.BytesIO):
        def fileno(self) -> int:
            return 0

        def read(self, size: int | None = -1) -> bytes:
            readers.append(threading.current_thread())
            return super().read(size)

    body = FileBody(file)
    monkeypatch.setattr(builtins, "open", lambda *args, **kwargs: Fake(CONTENT[::-1]))
    found = read(body)
    monkeypatch.undo()
    if _reading.NOW is not None:
        assert b"".join(found) == CONTENT[::-1]
        assert threading.current_thread() not in readers
