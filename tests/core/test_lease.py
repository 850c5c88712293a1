"""Worker threads: how many, whose, and what runs in them."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import linecache
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from quart import Quart
from quart._threads.lease import _shared_pool, call, Lease
from quart._threads.pool import Pool, pool_of
from quart._threads.worker import current_work
from quart.utils import run_sync

from .driver import run, turns, until

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture
def pool() -> Pool:
    return Pool(2)


def ident() -> int:
    return threading.get_ident()


class Gate:
    """Keeps a thread busy until it is opened; opened by the test's end at the latest."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> int:
        self.entered.set()
        assert self._open.wait(5), "nobody opened the gate"
        return ident()

    def open(self) -> None:
        self._open.set()

    async def busy(self) -> None:
        await asyncio.to_thread(self.entered.wait, 5)


def wait_for(awaitable: Any) -> Any:
    """Wait in a worker thread for something async."""
    work = current_work()
    assert work is not None
    return work.wait(awaitable)


# --- The pool


@pytest.mark.parametrize("size", [0, -1])
def test_a_pool_has_threads(size: int) -> None:
    with pytest.raises(ValueError, match="SYNC_THREADS"):
        Pool(size)


def test_threads_are_started_when_needed_and_used_again(pool: Pool) -> None:
    async def main() -> set[int]:
        assert pool.threads == 0
        seen = set()
        for _ in range(5):
            with Lease(pool) as lease:
                seen.add(await lease.call(ident))
        return seen

    seen = run(main())

    assert len(seen) == 1
    assert pool.threads == 1
    assert ident() not in seen


def test_a_full_pool_queues_first_come_first_served(pool: Pool) -> None:
    order: list[int] = []

    async def main() -> None:
        gates = [Gate(), Gate()]
        holders = [asyncio.create_task(leased(gate)) for gate in gates]
        for gate in gates:
            await gate.busy()

        waiting = []
        for n in range(5):
            waiting.append(asyncio.create_task(leased(lambda n=n: order.append(n))))
            await asyncio.sleep(0)
        assert (pool.threads, pool.queued) == (2, 5)
        assert pool.busy == 2
        assert 0 < pool.longest_wait < 5
        await asyncio.sleep(0.02)  # That is how long they will have waited.

        gates[0].open()
        await asyncio.gather(*waiting)
        gates[1].open()
        await asyncio.gather(*holders)

    async def leased(func: Callable[[], Any]) -> Any:
        with Lease(pool) as lease:
            return await lease.call(func)

    run(main())

    assert order == [0, 1, 2, 3, 4]
    assert pool.threads == 2
    assert pool.queued == 0
    assert 0.02 <= pool.longest_wait < 5


def test_who_is_cancelled_in_the_queue_gives_its_thread_to_the_next() -> None:
    pool = Pool(1)

    async def main() -> None:
        gate, leases = Gate(), [Lease(pool) for _ in range(3)]
        holder, first, second = (
            asyncio.create_task(lease.call(func))
            for lease, func in zip(leases, (gate, ident, ident), strict=True)
        )
        await gate.busy()
        first.cancel()
        gate.open()
        await holder
        leases[0].release()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == await holder
        leases[2].release()

    run(main())

    assert (pool.threads, pool.queued, len(pool._idle)) == (1, 0, 1)


def test_idle_threads_end(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quart._threads.worker.IDLE_SECONDS", 0.01)

    async def main() -> threading.Thread:
        with Lease(pool) as lease:
            thread = await lease.call(threading.current_thread)
            await asyncio.sleep(0.05)  # Longer than an idle one lasts.
            # It is not idle while a request has it.
            assert pool.threads == 1
        return thread

    thread = run(main())
    thread.join(5)

    assert not thread.is_alive()
    assert pool.threads == 0


def test_a_thread_that_ends_leaves_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quart._threads.worker.IDLE_SECONDS", 0.01)

    def waits() -> threading.Thread:
        wait_for(asyncio.sleep(0))
        return threading.current_thread()

    async def main() -> tuple[list[threading.Thread], list[weakref.ref[Any]]]:
        with Lease(pool) as lease:
            # Several greenlets of the thread have been its hub then.
            threads = await asyncio.gather(*[lease.call(waits) for _ in range(4)])
            return threads, [weakref.ref(lease._worker), *map(weakref.ref, lease._worker.spare)]

    threads, left = run(main())
    for thread in threads:
        thread.join(5)

    assert len(left) > 1
    gc.collect()
    assert [each() for each in left] == [None] * len(left)


def test_a_worker_that_was_taken_does_not_retire(pool: Pool) -> None:
    async def main() -> None:
        worker = await pool.acquire()
        assert not pool.retire(worker)
        pool.release(worker)
        assert pool.retire(worker)
        worker.dismiss()

    run(main())

    assert pool.threads == 0


def test_the_threads_of_a_forgotten_pool_end() -> None:
    async def main() -> threading.Thread:
        with Lease(Pool(1)) as lease:
            return await lease.call(threading.current_thread)

    thread = run(main())
    gc.collect()
    thread.join(5)

    assert not thread.is_alive()


def test_threads_do_not_keep_the_process_alive_and_have_a_name(pool: Pool) -> None:
    async def main() -> threading.Thread:
        with Lease(pool) as lease:
            return await lease.call(threading.current_thread)

    thread = run(main())

    assert thread.daemon
    assert thread.name.startswith("quart-sync-")


linux = pytest.mark.skipif(sys.platform != "linux", reason="It is Linux that has batch jobs.")


@linux
@pytest.mark.parametrize("scheduling", [None, "batch"])
def test_threads_are_batch_jobs_while_they_wait_if_that_is_configured(
    scheduling: str | None,
) -> None:
    """Not while they work: what a plain function starts would be one too."""

    async def main() -> list[int]:
        with Lease(Pool(1, scheduling)) as lease:
            native = await lease.call(threading.get_native_id)
            await waits_for_work(await lease.call(ident))
            resting = os.sched_getscheduler(native)
            return [resting, await lease.call(os.sched_getscheduler, 0)]

    before = os.sched_getscheduler(0)
    assert run(main()) == [before if scheduling is None else os.SCHED_BATCH, before]
    assert os.sched_getscheduler(0) == before


@linux
def test_where_the_kernel_will_not_have_it_threads_are_scheduled_as_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)

    async def main() -> int:
        with Lease(Pool(1, "batch")) as lease:
            return await lease.call(ident)

    assert run(main()) != ident()


def test_another_scheduling_is_refused() -> None:
    app = Quart(__name__)
    app.config["SYNC_SCHEDULING"] = "idle"
    with pytest.raises(ValueError, match=r"SYNC_SCHEDULING.*'batch', got 'idle'"):
        pool_of(app)


def test_a_pool_serves_several_event_loops(pool: Pool) -> None:
    async def main() -> int:
        with Lease(pool) as lease:
            return await lease.call(ident)

    assert run(main()) == run(main())


def test_the_size_of_an_applications_pool_is_configured() -> None:
    small, other = Quart("small"), Quart("other")
    small.config["SYNC_THREADS"] = 3

    assert pool_of(small).size == 3
    assert pool_of(small) is pool_of(small)
    assert pool_of(other).size == 40
    assert pool_of(other) is not pool_of(small)


# --- Leases


def test_calls_of_one_lease_run_in_one_thread(pool: Pool) -> None:
    async def main() -> set[int]:
        with Lease(pool) as lease, Lease(pool) as other:
            await other.call(ident)
            return {await lease.call(ident) for _ in range(10)}

    assert len(run(main())) == 1


def test_where_the_thread_is_busy_another_one_is_used(pool: Pool) -> None:
    async def main() -> None:
        gate = Gate()
        with Lease(pool) as lease:
            first = asyncio.create_task(lease.call(gate))
            await gate.busy()
            second = await lease.call(ident)
            gate.open()
            assert await first != second
            assert pool.threads == 2
            assert len(pool._idle) == 1

    run(main())


def test_a_lease_can_be_used_after_its_release(pool: Pool) -> None:
    async def main() -> None:
        lease = Lease(pool)
        lease.release()
        assert isinstance(await lease.call(ident), int)
        lease.release()
        lease.release()
        assert len(pool._idle) == 1
        assert isinstance(await lease.call(ident), int)
        lease.release()

    run(main())


def test_a_lease_that_is_not_used_takes_no_thread(pool: Pool) -> None:
    with Lease(pool):
        pass

    assert pool.threads == 0


# --- Calls


def test_arguments_and_results_are_passed(pool: Pool) -> None:
    def func(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    async def main() -> Any:
        with Lease(pool) as lease:
            return await lease.call(func, 1, func=2, self=3)

    assert run(main()) == ((1,), {"func": 2, "self": 3})


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
def test_exceptions_come_back_with_their_traceback(pool: Pool, error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        with Lease(pool) as lease:
            with pytest.raises(type(error)) as caught:
                await lease.call(fail)
            assert caught.value is error
            assert caught.traceback[-1].name == "fail"
            # The thread is none the worse for it.
            assert isinstance(await lease.call(ident), int)

    run(main())


def test_a_stop_iteration_can_be_raised_by_a_function(pool: Pool) -> None:
    async def main() -> None:
        with Lease(pool) as lease:
            await lease.call(next, iter(()))

    # As for any coroutine.
    with pytest.raises(RuntimeError, match="StopIteration"):
        run(main())


def test_context_variables_are_shared_both_ways(pool: Pool) -> None:
    def double() -> int:
        number.set(number.get() * 2)
        return number.get()

    async def main() -> None:
        number.set(21)
        with Lease(pool) as lease:
            assert await lease.call(double) == 42
            assert number.get() == 42
            number.set(1)
            assert await lease.call(number.get) == 1

    run(main())


def test_a_token_may_be_reset_on_the_other_side(pool: Pool) -> None:
    async def main() -> None:
        with Lease(pool) as lease:
            token = await lease.call(number.set, 5)
            assert number.get() == 5
            number.reset(token)
            assert number.get() == 0
            token = number.set(6)
            await lease.call(number.reset, token)
            assert number.get() == 0

    run(main())


def test_the_contexts_of_two_tasks_are_apart(pool: Pool) -> None:
    async def one(value: int) -> int:
        number.set(value)
        with Lease(pool) as lease:
            for _ in range(20):
                await lease.call(lambda: number.set(number.get() + 1))
                await asyncio.sleep(0)
        return number.get()

    async def main() -> list[int]:
        return await asyncio.gather(one(100), one(200))

    assert run(main()) == [120, 220]


def test_the_task_may_go_on_while_the_work_runs_in_its_context(pool: Pool) -> None:
    """The thread does not enter the context, or this task could not at the same time."""
    shared = copy_context()
    gate = Gate()

    async def through_the_thread() -> int:
        with Lease(pool) as lease:
            await lease.call(gate)
            return await lease.call(number.get)

    async def beside() -> None:
        await gate.busy()
        number.set(7)
        gate.open()

    async def main() -> int:
        work = asyncio.create_task(through_the_thread(), context=shared)
        await asyncio.create_task(beside(), context=shared)
        return await work

    assert run(main()) == 7


# --- Cancellation


def test_a_cancelled_call_waits_for_its_function_and_is_cancelled_then(pool: Pool) -> None:
    log: list[str] = []

    async def main() -> None:
        gate = Gate()

        def work() -> None:
            gate()
            log.append("worked")

        with Lease(pool) as lease:
            task = asyncio.create_task(lease.call(work))
            await gate.busy()
            task.cancel()
            await turns()
            assert not task.done()
            gate.open()
            with pytest.raises(asyncio.CancelledError):
                await task
            log.append("cancelled")

    run(main())

    assert log == ["worked", "cancelled"]


def test_a_cancellation_keeps_its_message(pool: Pool) -> None:
    async def main() -> None:
        gate = Gate()
        with Lease(pool) as lease:
            task = asyncio.create_task(lease.call(gate))
            await gate.busy()
            task.cancel("first")
            # The function goes on, so the task does.
            await asyncio.sleep(0)
            assert not task.done()
            gate.open()
            with pytest.raises(asyncio.CancelledError, match="first"):
                await task

    run(main())


def test_who_queues_is_cancelled_at_once_with_the_message() -> None:
    async def main() -> None:
        pool, gate = Pool(1), Gate()
        with Lease(pool) as lease, Lease(pool) as other:
            busy = asyncio.create_task(lease.call(gate))
            await gate.busy()
            queued = asyncio.create_task(other.call(ident))
            await until(lambda: pool.queued == 1)
            queued.cancel("no longer")
            with pytest.raises(asyncio.CancelledError, match="no longer"):
                await queued
            assert pool.queued == 0
            gate.open()
            await busy

    run(main())


def test_a_timeout_holds_once_the_function_returns(pool: Pool) -> None:
    async def main() -> None:
        limit = asyncio.timeout(0.01)

        def until_it_is_over() -> None:
            while not limit.expired():
                time.sleep(0.001)

        with Lease(pool) as lease, pytest.raises(TimeoutError):
            async with limit:
                await lease.call(until_it_is_over)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main())


def test_a_cancellation_is_raised_at_the_functions_next_wait(pool: Pool) -> None:
    seen: list[Any] = []

    async def main() -> None:
        gate = Gate()

        def work() -> None:
            gate()
            try:
                wait_for(asyncio.sleep(10))
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        with Lease(pool) as lease:
            task = asyncio.create_task(lease.call(work))
            await gate.busy()
            task.cancel()
            await turns()
            gate.open()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())

    assert seen == ["cancelled"]


def test_a_waiting_function_is_cancelled_at_once(pool: Pool) -> None:
    seen: list[str] = []

    async def main() -> None:
        waits = asyncio.Event()

        async def forever() -> None:
            waits.set()
            await asyncio.Event().wait()

        def work() -> str:
            try:
                wait_for(forever())
            except asyncio.CancelledError:
                seen.append("cancelled")
            return "swallowed"

        with Lease(pool) as lease:
            task = asyncio.create_task(lease.call(work))
            await waits.wait()
            task.cancel()
            # As a coroutine may, it swallows it.
            assert await task == "swallowed"

    run(main())

    assert seen == ["cancelled"]


# --- Waiting


def test_work_waits_for_async_code_in_its_own_task(pool: Pool) -> None:
    async def asynchronous() -> Any:
        await asyncio.sleep(0)
        number.set(number.get() + 1)
        return ident(), asyncio.current_task()

    def work() -> Any:
        number.set(10)
        result = wait_for(asynchronous())
        return result, number.get()

    async def main() -> None:
        with Lease(pool) as lease:
            (thread, task), value = await lease.call(work)
            assert thread == ident()
            assert task is asyncio.current_task()
            assert value == number.get() == 11

    run(main())


def test_an_error_of_what_is_awaited_is_raised_in_the_thread(pool: Pool) -> None:
    async def fail() -> None:
        raise ValueError("async")

    def work() -> str:
        with pytest.raises(ValueError, match="async"):
            wait_for(fail())
        return "went on"

    async def main() -> str:
        with Lease(pool) as lease:
            return await lease.call(work)

    assert run(main()) == "went on"


def test_work_beneath_waiting_work_runs_in_the_same_thread() -> None:
    """So that a pool of one thread, and so a full one, cannot lock itself up."""
    pool = Pool(1)

    async def main() -> None:
        with Lease(pool) as lease:

            async def further(depth: int) -> list[int]:
                return await lease.call(work, depth)

            def work(depth: int) -> list[int]:
                below = wait_for(further(depth - 1)) if depth else []
                return [ident(), *below]

            threads = await lease.call(work, 10)
            assert len(threads) == 11
            assert len(set(threads)) == 1

    run(main())

    assert pool.threads == 1


def test_waits_need_not_end_in_the_order_in_which_they_began(pool: Pool) -> None:
    order: list[str] = []

    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        with Lease(pool) as lease:

            def work(name: str, event: asyncio.Event) -> None:
                wait_for(event.wait())
                order.append(name)

            tasks = [asyncio.create_task(lease.call(work, "first", first))]
            await until(lambda: len(pool.load.begun) == 1)
            tasks.append(asyncio.create_task(lease.call(work, "second", second)))
            await until(lambda: len(pool.load.begun) == 2)
            first.set()
            await tasks[0]
            second.set()
            await tasks[1]

    run(main())

    assert order == ["first", "second"]


def test_the_loop_is_not_blocked_by_a_function(pool: Pool) -> None:
    async def main() -> int:
        gate, turns = Gate(), 0
        with Lease(pool) as lease:
            task = asyncio.create_task(lease.call(gate))
            await gate.busy()
            for _ in range(10):
                await asyncio.sleep(0)
                turns += 1
            gate.open()
            await task
        return turns

    assert run(main()) == 10


def test_current_work_is_known_in_the_thread_only(pool: Pool) -> None:
    async def main() -> None:
        assert current_work() is None
        with Lease(pool) as lease:
            assert await lease.call(current_work) is not None

    run(main())


# --- Exceptions that another thread raises


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise *error* in another thread, when that runs Python's code next."""
    done = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error)
    )
    assert done == 1


async def waits_for_work(thread: int) -> None:
    """Wait until *thread* has nothing to do."""
    while True:
        frame = sys._current_frames()[thread]
        if "_bell.get" in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
            return
        await asyncio.sleep(0.001)


#: GreenletExit would be what ends a greenlet, were it not raised by somebody else.
STRIKES = [TimeoutError, KeyboardInterrupt, SystemExit, asyncio.CancelledError]


@pytest.mark.parametrize("error", STRIKES)
def test_an_exception_that_comes_too_late_hurts_nobody(
    pool: Pool, error: type[BaseException]
) -> None:
    async def main() -> list[int]:
        with Lease(pool) as lease:
            thread = await lease.call(ident)
            await waits_for_work(thread)
            raise_in(thread, error)
            return [thread, await lease.call(ident), await lease.call(ident)]

    assert len(set(run(main()))) == 1
    assert (pool.threads, pool.busy) == (1, 0)


@pytest.mark.parametrize("error", STRIKES)
def test_an_exception_ends_the_call_that_runs(pool: Pool, error: type[BaseException]) -> None:
    async def main() -> None:
        with Lease(pool) as lease:
            thread = await lease.call(ident)
            with pytest.raises(error):
                await lease.call(lambda: [raise_in(ident(), error), time.sleep(0.001)])
            assert await lease.call(ident) == thread

    run(main())

    assert (pool.threads, pool.busy) == (1, 0)


def test_an_exception_ends_the_wait_of_a_call(pool: Pool) -> None:
    async def main() -> list[Any]:
        lease, begun, seen = Lease(pool), asyncio.Event(), []
        going_on = asyncio.Event()

        async def awaited() -> None:
            seen.append("begun")
            begun.set()
            await going_on.wait()

        def waits() -> None:
            try:
                wait_for(awaited())
            except TimeoutError:
                seen.append("struck")

        with lease:
            thread = await lease.call(ident)
            call = asyncio.create_task(lease.call(waits))
            await begun.wait()
            await waits_for_work(thread)
            raise_in(thread, TimeoutError)
            going_on.set()
            await call
            assert await lease.call(ident) == thread
        return seen

    assert run(main()) == ["begun", "struck"]
    assert (pool.threads, pool.busy) == (1, 0)


def test_a_wait_after_one_that_was_ended_has_its_own_result(pool: Pool) -> None:
    async def main() -> list[str]:
        lease, begun, going_on = Lease(pool), asyncio.Event(), asyncio.Event()

        async def result_of(wait: str) -> str:
            begun.set()
            await going_on.wait()
            return wait

        def waits() -> list[str]:
            results = []
            for wait in ("struck", "cleaned up", "went on"):
                with suppress(TimeoutError):
                    results.append(wait_for(result_of(wait)))
            return results

        with lease:
            thread = await lease.call(ident)
            call = asyncio.create_task(lease.call(waits))
            await begun.wait()
            await waits_for_work(thread)
            raise_in(thread, TimeoutError)
            while not lease._worker.load.begun:  # noqa: ASYNC110
                await asyncio.sleep(0)
            going_on.set()
            return await call

    assert run(main()) == ["cleaned up", "went on"]


@pytest.mark.parametrize("interval", [0.005, 0.00001])
def test_exceptions_at_any_moment_lose_no_call(
    pool: Pool, interval: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come in wherever they like, also while another one is handled.

    Each call is answered, by its own result or by the error.
    """
    if sys.gettrace() is not None:
        pytest.skip("an exception that comes while a tracer runs is lost, or strikes between lines")
    # Some strike in a finalizer. Pytest's hook would be struck itself; one in C cannot be.
    monkeypatch.setattr(sys, "unraisablehook", id)
    over = threading.Event()

    def strike(thread: int) -> None:
        while not over.is_set():
            raise_in(thread, TimeoutError)
            time.sleep(interval / 25)

    class Given:
        """It warns of nothing if nobody awaits it."""

        def __init__(self, number: int) -> None:
            self.number = number

        def __await__(self) -> Generator[Any, Any, int]:
            yield from asyncio.sleep(0).__await__()
            return self.number

    def waits(number: int) -> int:
        with suppress(TimeoutError):
            assert wait_for(Given(-number)) == -number
        return wait_for(Given(number))

    async def main() -> None:
        with Lease(pool) as lease:
            thread = await lease.call(ident)
            striker = threading.Thread(target=strike, args=[thread])
            striker.start()
            try:
                for number in range(400):
                    for func in [abs, waits]:
                        with suppress(TimeoutError):
                            assert await lease.call(func, number) == number
            finally:
                over.set()
                striker.join()
            with suppress(TimeoutError):
                await lease.call(ident)
            assert await lease.call(ident) == thread

    usual = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        run(main())
    finally:
        sys.setswitchinterval(usual)

    assert (pool.threads, pool.busy) == (1, 0)


def test_threads_that_cannot_be_started_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(3)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with Lease(pool) as first, Lease(pool) as second:
            monkeypatch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="start"):
                await first.call(ident)
            assert pool.threads == 0
            monkeypatch.setattr(threading.Thread, "start", start)
            thread = await first.call(ident)
            monkeypatch.setattr(threading.Thread, "start", refuse)
            # It can have the one that there is, once that is free.
            waiting = asyncio.create_task(second.call(ident))
            while not pool.queued:  # noqa: ASYNC110  # A pool sends no events.
                await asyncio.sleep(0)
            first.release()
            assert await waiting == thread

    run(main())

    assert (pool.threads, pool.busy) == (1, 0)


# --- Without a lease at hand


def test_outside_of_an_application_a_shared_pool_is_used() -> None:
    async def main() -> int:
        return await call(ident)

    assert run(main()) != ident()
    assert len(_shared_pool._idle) == _shared_pool.threads


def test_run_sync_makes_a_coroutine_function() -> None:
    @run_sync
    def func(a: int, *, b: int) -> int:
        """Add."""
        return a + b

    assert func.__doc__ == "Add."
    assert run(func(1, b=2)) == 3


def test_a_generator_is_stepped_in_the_thread() -> None:
    closed: list[bool] = []

    @run_sync
    def generate() -> Iterator[int]:
        try:
            yield ident()
            yield ident()
        finally:
            closed.append(True)

    async def main() -> None:
        async for thread in await generate():
            assert thread != ident()
            break
        items = [thread async for thread in await generate()]
        assert len(items) == 2

    run(main())

    assert closed


def test_only_a_request_keeps_its_thread_until_its_end() -> None:
    app = Quart("app")
    app.config["SYNC_THREADS"] = 1

    async def main() -> None:
        async with app.test_request_context("/") as ctx:
            assert ctx.lease is not None
            await call(ident)
            assert len(pool_of(app)._idle) == 0
        assert len(pool_of(app)._idle) == 1
        async with app.app_context() as ctx:
            assert ctx.lease is None
            await call(ident)
            assert len(pool_of(app)._idle) == 1

    run(main())
