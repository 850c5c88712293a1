"""A worker thread from within: who is its hub, what it keeps, and when a loop gives way to it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest
from greenlet import getcurrent, greenlet, GreenletExit

from quart._threads import scheduling
from quart._threads.lease import Lease
from quart._threads.pool import Pool
from quart._threads.scheduling import BUSY, CROWD
from quart._threads.worker import Call, current_work, KEPT, run_call, WorkerThread, WorkGreenlet

from .driver import run, until


class Thing:
    """Something that a weak reference can be made to."""


class Box:
    """A mailbox that a thread can wait for."""

    cancelled: BaseException | None = None

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._came = threading.Event()

    def put(self, message: Any) -> None:
        self.messages.append(message)
        self._came.set()

    def take(self) -> Any:
        assert self._came.wait(5), "nothing came"
        self._came.clear()
        return self.messages.pop(0)

    async def get(self, *, interruptible: bool = False) -> Any:
        raise NotImplementedError


class Closed(Box):
    """The mailbox of a loop that has been closed."""

    def put(self, message: Any) -> None:
        super().put(message)
        raise RuntimeError("Event loop is closed")


@pytest.fixture
def worker() -> WorkerThread:
    taken = Pool(1).take()
    assert taken is not None
    return taken


def do(worker: WorkerThread, func: Callable[..., Any], *args: Any, box: Box | None = None) -> Any:
    """Call *func* in the worker's thread and return the first message."""
    box = box or Box()
    worker.give(Call(run_call, func, args, {}, None, box))
    return box.take()


def wait(awaitable: Any = None) -> Any:
    work = current_work()
    assert work is not None
    return work.wait(awaitable)


def test_calls_that_do_not_wait_are_made_by_one_greenlet(worker: WorkerThread) -> None:
    seen = {do(worker, lambda: id(getcurrent())) for _ in range(5)}
    assert len(seen) == 1
    assert worker.spare == []


def test_who_has_waited_is_the_hub_again(worker: WorkerThread) -> None:
    def work() -> tuple[Any, Any]:
        return getcurrent(), wait()

    for _ in range(3):
        box = Box()
        waiting, awaited = do(worker, work, box=box)
        _, (beside, _) = do(worker, getcurrent)
        assert beside is not waiting
        worker.give(waiting.reply(awaited, "answer"))
        assert box.take() == (None, ((waiting, "answer"), None))
        assert do(worker, getcurrent) == (None, (waiting, None))
        assert worker.spare == [beside]


def test_a_greenlet_beneath_a_call_may_wait(worker: WorkerThread) -> None:
    def work() -> list[Any]:
        child = greenlet(lambda: [wait(), type(getcurrent())])
        return [*child.switch(), type(getcurrent())]

    box = Box()
    waiting, awaited = do(worker, work, box=box)
    assert type(waiting) is WorkGreenlet
    worker.give(waiting.reply(awaited, 1))
    assert box.take() == (None, ([1, greenlet, WorkGreenlet], None))


def test_a_reply_to_a_wait_that_is_over_is_for_nobody(worker: WorkerThread) -> None:
    box = Box()
    waiting, awaited = do(worker, wait, box=box)
    worker.give(waiting.reply(object(), "of another wait"))
    worker.give(waiting.reply(awaited, "answer"))
    assert box.take() == (None, ("answer", None))


def test_many_calls_of_one_thread_may_wait_at_once() -> None:
    pool = Pool(1)
    count = 3 * KEPT

    async def main() -> None:
        open_ = asyncio.Event()
        with Lease(pool) as lease:

            def work(n: int) -> int:
                wait(open_.wait())
                return n

            tasks = [asyncio.create_task(lease.call(work, n)) for n in range(count)]
            await until(lambda: len(pool.load.begun) == count)
            open_.set()
            assert await asyncio.gather(*tasks) == list(range(count))
            thread = await lease.call(current_work)
            assert thread is not None
            # A burst leaves some of its greenlets, and no more.
            assert len(thread.worker.spare) == KEPT

    run(main())
    assert pool.load.begun == pool.load.given == []


def test_nothing_of_a_call_is_kept() -> None:
    def fail(thing: Thing) -> None:
        raise ValueError(thing)

    async def give(thing: Thing) -> Thing:
        await asyncio.sleep(0)
        return thing

    things = [Thing() for _ in range(4)]
    gone = [weakref.ref(thing) for thing in things]

    async def main() -> None:
        with Lease(Pool(1)) as lease:
            await lease.call(id, things[0])
            await lease.call(lambda thing: thing, things[1])
            with pytest.raises(ValueError, match="Thing"):
                await lease.call(fail, things[2])
            await lease.call(lambda thing: wait(give(thing)), things[3])
            # The next job takes the place of the last one.
            await lease.call(int)
            things.clear()
            gc.collect()
            assert [ref() for ref in gone] == [None] * 4

    run(main())


def test_the_context_of_a_call_is_left_with_it(worker: WorkerThread) -> None:
    context, box = copy_context(), Box()
    contexts: list[Any] = []

    def work() -> None:
        contexts.append(getcurrent().gr_context)

    worker.give(partial(run_call, work, (), {}, context, box))
    box.take()
    worker.give(work)
    do(worker, int)
    assert contexts[0] is context
    assert contexts[1] is None


def test_between_calls_nothing_waits(worker: WorkerThread) -> None:
    seen: list[Any] = []
    worker.give(lambda: seen.append(current_work()))
    do(worker, int)
    assert seen == [None]


def test_a_loop_that_was_closed_does_not_end_the_thread(worker: WorkerThread) -> None:
    thread = do(worker, threading.get_ident, box=Closed())
    assert do(worker, threading.get_ident) == thread


def test_a_call_cannot_end_its_thread(worker: WorkerThread) -> None:
    def leave() -> None:
        raise GreenletExit

    before = do(worker, threading.get_ident)
    _, (_, error) = do(worker, leave)
    assert type(error) is GreenletExit
    assert do(worker, threading.get_ident) == before


def test_a_call_that_cannot_begin_is_answered(worker: WorkerThread) -> None:
    def broken(*args: Any) -> None:
        raise TimeoutError

    box = Box()
    worker.give(Call(broken, int, (), {}, None, box))
    _, (_, error) = box.take()
    assert type(error) is TimeoutError
    assert do(worker, int) == (None, (0, None))


@pytest.mark.parametrize(("begun", "times"), [(BUSY, 2), (BUSY - 1, 0)])
def test_a_loop_gives_way_to_a_crowd_where_calls_block(
    monkeypatch: pytest.MonkeyPatch, begun: int, times: int
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(scheduling, "sleep", slept.append)
    pool = Pool(1)
    pool.scheduling = scheduling.Batch()
    worker = pool.take()
    assert worker is not None
    gate = threading.Event()
    pool.load.begun += [None] * begun
    # The first one is begun with, and keeps the others waiting.
    first = Box()
    worker.give(lambda: first.put(gate.wait(5)))
    while pool.load.given:
        pass
    box = Box()
    for _ in range(2 * CROWD):
        worker.give(partial(box.put, None))
    gate.set()
    while len(box.messages) < 2 * CROWD:
        pass
    assert len(slept) == times
    assert first.take() is True
