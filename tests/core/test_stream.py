"""Plain iterators: stepped in a thread, a little ahead."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from quart._threads import stream
from quart._threads.lease import Lease
from quart._threads.pool import Pool
from quart._threads.stream import AHEAD
from quart._threads.worker import current_work

from .driver import run, until


async def iterate(lease: Lease, iterable: Any) -> AsyncGenerator[Any, None]:
    """Yield one piece after another."""
    async with aclosing(stream.iterate(lease, iterable)) as portions:
        async for portion in portions:
            for piece in portion:
                yield piece


async def taken(iterable: Any, count: int | None = None) -> list[Any]:
    """Return what is taken, all or so many, and give the thread back."""
    with Lease(Pool(1)) as lease:
        found: list[Any] = []
        async with aclosing(iterate(lease, iterable)) as chunks:
            async for chunk in chunks:
                found.append(chunk)
                if len(found) == count:
                    break
        return found


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_all_chunks_come_in_their_order(count: int) -> None:
    chunks = [b"%d" % n for n in range(count)]
    assert run(taken(iter(chunks))) == chunks
    assert run(taken(chunks)) == chunks


def test_a_chunk_does_not_wait_for_the_next() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[bytes]:
        yield b"1"
        assert go_on.wait(5), "the first chunk never came"
        yield b"2"

    async def main() -> None:
        with Lease(Pool(1)) as lease:
            chunks = iterate(lease, slow())
            assert await anext(chunks) == b"1"
            go_on.set()
            assert [chunk async for chunk in chunks] == [b"2"]

    run(main())


@pytest.mark.parametrize("size", [0, 10, 16 * 1024, 2 * AHEAD])
def test_running_ahead_is_bounded(size: int) -> None:
    made: list[bytes] = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(bytes(size))
            yield made[-1]

    assert len(run(taken(endless(), 1))) == 1
    assert len(made) == 1 or sum(map(len, made[1:])) <= AHEAD
    assert len(made) <= AHEAD // 1024


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_reader_that_is_quick_is_run_ahead_of_further(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    now = [0.0]
    monkeypatch.setattr(stream, "monotonic", lambda: now[0])
    made: list[int] = []
    most: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            made.append(len(made))
            yield bytes(16 * 1024)

    async def main() -> None:
        with Lease(Pool(1)) as lease:
            chunks = iterate(lease, endless())
            for taken in range(400):
                await anext(chunks)
                now[0] += seconds
                most.append(len(made) - taken)
            await chunks.aclose()

    run(main())
    # A run ends with the chunk that reaches its size.
    assert max(most) <= (stream.AHEAD if seconds else stream.MOST) // (16 * 1024) + 1


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def failing() -> Iterator[bytes]:
        yield b"1"
        raise LookupError("no more")

    async def main() -> None:
        with Lease(Pool(1)) as lease:
            chunks = iterate(lease, failing())
            assert await anext(chunks) == b"1"
            with pytest.raises(LookupError, match="no more"):
                await anext(chunks)

    run(main())


def test_what_it_waits_for_is_awaited() -> None:
    def waiting() -> Iterator[bytes]:
        work = current_work()
        assert work is not None
        yield work.wait(asyncio.sleep(0, b"1"))
        yield work.wait(asyncio.sleep(0.001, b"2"))

    assert run(taken(waiting())) == [b"1", b"2"]


def test_closing_ends_what_it_waits_for() -> None:
    log: list[str] = []

    def waiting() -> Iterator[bytes]:
        work = current_work()
        assert work is not None
        try:
            yield b"1"
            work.wait(asyncio.Event().wait())
        finally:
            log.append("closed")

    iterator = waiting()
    assert run(taken(iterator, 1)) == [b"1"]
    # It may not have come to its wait; or it was ended there, and this does nothing.
    iterator.close()
    assert log == ["closed"]


def test_what_was_made_before_a_wait_comes_first() -> None:
    async def main() -> None:
        taken = asyncio.Event()

        def waiting() -> Iterator[bytes]:
            work = current_work()
            assert work is not None
            yield b"1"
            yield b"2"
            work.wait(taken.wait())
            yield b"3"

        with Lease(Pool(1)) as lease:
            chunks = iterate(lease, waiting())
            assert [await anext(chunks), await anext(chunks)] == [b"1", b"2"]
            taken.set()
            assert [chunk async for chunk in chunks] == [b"3"]

    run(main())


def test_closing_ends_a_wait_that_came_with_what_was_made_before_it() -> None:
    log: list[str] = []

    def waiting() -> Iterator[bytes]:
        work = current_work()
        assert work is not None
        try:
            yield b"1"
            work.wait(asyncio.Event().wait())
        except GeneratorExit:
            log.append("ended")
            raise

    async def main() -> None:
        with Lease(Pool(1)) as lease:
            portions = stream.iterate(lease, waiting())
            step = asyncio.ensure_future(anext(portions))
            await asyncio.sleep(0)
            time.sleep(0.05)  # noqa: ASYNC251  # Until the thread waits, as a rule.
            assert await step == [b"1"]
            await portions.aclose()

    run(main())
    assert log == ["ended"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_cancellation_ends_it(waits: bool) -> None:
    begun, step, closed = threading.Event(), threading.Event(), threading.Event()

    def endless() -> Iterator[bytes]:
        work = current_work()
        assert work is not None
        begun.set()
        try:
            while True:
                if waits:
                    work.wait(asyncio.Event().wait())
                step.wait(0.01)  # A step takes its time: it can be cancelled within one.
                yield b""
        finally:
            closed.set()

    async def main() -> None:
        iterator = endless()
        task = asyncio.create_task(taken(iterator))
        await until(begun.is_set)
        await asyncio.sleep(0.03)  # Until the thread is in a step, or waits, as a rule.
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        iterator.close()
        assert closed.is_set()

    run(main())
