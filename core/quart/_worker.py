"""Worker threads for plain functions: one per request, in the request's own Context.

Each thread runs a hub: a loop that takes jobs from its inbox. A piece of work is a greenlet on
that thread whose ``gr_context`` *is* the Context of the task that asked for it. Nothing is copied,
and the Context is not entered, so the task may go on running in it while the work waits.

Work may wait for async code: it hands the awaitable to its task and switches back to the hub. While
it waits, the thread takes other work of the same request, which is why nested sync work cannot
exhaust the pool, and why pieces of work do not have to end in the order in which they began.

The invariant: a thread belongs to one lease at a time, and a lease to one request.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, cast, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

from ._mailbox import Mailbox, make_mailbox
from ._parked import Parked
from .globals import _cv_app

T = TypeVar("T")
P = ParamSpec("P")
#: Makes an awaitable one beneath which plain code may wait.
Bridged = Callable[[Awaitable[Any]], Awaitable[Any]]

DEFAULT_SIZE = 40
# An unused thread ends after this many seconds, so that a burst does not hold memory forever.
IDLE_SECONDS = 10.0


class Work(Parked):
    """One call of a plain function in a worker thread, seen from that thread."""

    mailbox: Mailbox
    waiter: greenlet

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Block this work, not its thread, until its task has awaited *awaitable*."""
        self.waiter = getcurrent()
        self.mailbox.put((self, awaitable))
        hub = self.parent
        assert hub is not None
        try:
            return cast(T, hub.switch())
        finally:
            del self.waiter

    def leave(self) -> None:
        """Leave what came of the call to its task."""
        mailbox, outcome = self.mailbox, self._outcome
        del self.mailbox
        self._outcome = None
        mailbox.put((None, outcome))


def current_work() -> Work | None:
    """The work whose greenlet, or a greenlet beneath it, is running now."""
    current: greenlet | None = getcurrent()
    while current is not None:
        if type(current) is Work:
            return current
        current = current.parent
    return None


class Worker:
    """A thread and its hub."""

    def __init__(self, pool: Pool) -> None:
        self.inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._pool = weakref.ref(pool)
        pool.started += 1
        threading.Thread(target=self._hub, name=f"quart-sync-{pool.started}", daemon=True).start()

    def _hub(self) -> None:
        _yield_to_loops()
        while True:
            try:
                job = self.inbox.get(timeout=IDLE_SECONDS)
            except Empty:
                pool = self._pool()
                if pool is None or pool.retire(self):
                    return
                continue
            if job is None:
                return
            job()
            # Keep nothing of a request alive while idle.
            del job


def _yield_to_loops() -> None:
    """Let this thread start when its turn comes, instead of at once where another one runs.

    To Linux such a thread is a batch job. Otherwise one that gets work, or has waited, stops the
    event loop's thread only to find that this holds the GIL, and lets it go on. Its share of the
    processor is the same. What it starts inherits this.
    """
    if sys.platform == "linux":
        # Some sandboxes do not have it.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Pool:
    """A bounded set of worker threads; who finds none free queues, first come first served."""

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        if size < 1:
            raise ValueError(f"A pool needs at least 1 thread, not {size}; see SYNC_THREADS.")
        self.size = size
        self.threads = 0
        self.started = 0
        self._idle: list[Worker] = []
        #: Who waits, and since when, first come first.
        self._queue: dict[Mailbox, float] = {}
        self._lock = threading.Lock()
        self._longest_wait = 0.0
        # Threads of a pool that nobody uses any more must not outlive it.
        weakref.finalize(self, _dismiss, self._idle).atexit = False

    @property
    def queued(self) -> int:
        """How many requests wait for a thread now."""
        return len(self._queue)

    @property
    def busy(self) -> int:
        """How many threads are taken now."""
        return self.threads - len(self._idle)

    @property
    def longest_wait(self) -> float:
        """The longest time, in seconds, that a request has waited for a thread so far.

        Who still waits counts too.
        """
        with self._lock:
            since = next(iter(self._queue.values()), None)
        waited = 0.0 if since is None else time.monotonic() - since
        return max(self._longest_wait, waited)

    def take(self) -> Worker | None:
        """Return a worker if there is one at once."""
        with self._lock:
            return self._take()

    def _take(self) -> Worker | None:
        if self._idle:
            return self._idle.pop()
        if self.threads >= self.size:
            return None
        self.threads += 1
        return Worker(self)

    async def acquire(self) -> Worker:
        """Return a worker, as soon as there is one."""
        with self._lock:
            worker = self._take()
            if worker is not None:
                return worker
            since, mailbox = time.monotonic(), make_mailbox()
            self._queue[mailbox] = since
        try:
            worker = await mailbox.get(interruptible=True)
        except BaseException:
            self._give_up(mailbox)
            raise
        self._longest_wait = max(self._longest_wait, time.monotonic() - since)
        return cast(Worker, worker)

    def _give_up(self, mailbox: Mailbox) -> None:
        with self._lock:
            if mailbox in self._queue:
                del self._queue[mailbox]
                return
        self.release(mailbox.take())

    def release(self, worker: Worker) -> None:
        with self._lock:
            if self._queue:
                mailbox = next(iter(self._queue))
                del self._queue[mailbox]
                mailbox.put(worker)
            else:
                self._idle.append(worker)

    def widen(self, by: int) -> None:
        """Allow *by* more threads, or fewer if it is negative; who waits is served."""
        with self._lock:
            self.size += by
            while self._queue and (worker := self._take()) is not None:
                mailbox = next(iter(self._queue))
                del self._queue[mailbox]
                mailbox.put(worker)

    def retire(self, worker: Worker) -> bool:
        """Let an idle worker end; False if somebody has taken it in the meantime."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            self.threads -= 1
            return True


def _dismiss(idle: list[Worker]) -> None:
    for worker in idle:
        worker.inbox.put(None)


class Lease:
    """The worker thread of one request, taken when first needed and kept until `release`."""

    __slots__ = ("_active", "_pool", "_waiting", "_worker", "bridged")

    def __init__(self, pool: Pool, bridged: Bridged = lambda awaitable: awaitable) -> None:
        """Lease a thread of *pool*; what its work waits for is awaited as *bridged* gives it."""
        self._pool = pool
        self.bridged = bridged
        self._worker: Worker | None = None
        self._active = 0
        #: Calls that wait until another one has got this lease its thread.
        self._waiting: list[Mailbox] | None = None

    async def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *func* in this request's thread and return its result.

        Where that thread is busy (the request started several calls at once) another one is
        used, if one is free at once; else this one, in turn. To queue for another would be to
        wait for what other requests keep. A cancellation reaches *func* at its next wait; a
        thread cannot be interrupted.
        """
        other = self._pool.take() if self._active else None
        # How much of this request's own thread the call takes, but for while it waits.
        own = 1 if other is None else 0
        self._active += own
        try:
            worker = other or self._worker or self._take() or await self._own_worker()
            mailbox = make_mailbox()
            worker.inbox.put(_first_job(func, args, kwargs, mailbox))
            while True:
                work, payload = await mailbox.get()
                if work is None:
                    return cast(T, outcome_of(payload, mailbox.cancelled))
                self._active -= own
                try:
                    job = await answer(work, payload, mailbox, self.bridged)
                finally:
                    self._active += own
                worker.inbox.put(job)
        finally:
            self._active -= own
            if other is not None:
                self._pool.release(other)

    def _take(self) -> Worker | None:
        """Take a thread that is free, without the coroutines that it takes to wait for one."""
        if self._waiting is None:
            self._worker = self._pool.take()
        return self._worker

    async def _own_worker(self) -> Worker:
        while self._worker is None:
            if self._waiting is None:
                await self._acquire()
            else:
                mailbox = make_mailbox()
                self._waiting.append(mailbox)
                await mailbox.get(interruptible=True)
        return self._worker

    async def _acquire(self) -> None:
        self._waiting = []
        try:
            self._worker = await self._pool.acquire()
        finally:
            # If this was cancelled, one of them tries next.
            waiting, self._waiting = self._waiting, None
            for mailbox in waiting:
                mailbox.put(None)

    async def start(self, func: Callable[[], Any], mailbox: Mailbox) -> Worker:
        """Start *func* in this request's thread; what it wants and gives is left in *mailbox*."""
        worker = await self._own_worker()
        worker.inbox.put(_first_job(func, (), {}, mailbox))
        return worker

    def release(self) -> None:
        """Give the thread back; the next `call` takes one anew."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.release(worker)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _first_job(
    func: Callable[..., Any], args: Any, kwargs: dict[str, Any], mailbox: Mailbox
) -> Callable[[], None]:
    return partial(_start, func, args, kwargs, getcurrent().gr_context, mailbox)


def _start(
    func: Callable[..., Any],
    args: Any,
    kwargs: dict[str, Any],
    context: Context | None,
    mailbox: Mailbox,
) -> None:
    work = Work.take(context)
    work.mailbox = mailbox
    work.begin(func, args, kwargs)


def outcome_of(payload: tuple[Any, BaseException | None], cancelled: BaseException | None) -> Any:
    result, error = payload
    if cancelled is not None and not isinstance(error, type(cancelled)):
        raise cancelled
    if error is not None:
        raise error
    return result


async def answer(
    work: Work, awaitable: Awaitable[Any], mailbox: Mailbox, bridged: Bridged
) -> Callable[[], None]:
    """Await what *work* waits for and return the job that lets it go on."""
    try:
        if mailbox.cancelled is not None:
            cancelled, mailbox.cancelled = mailbox.cancelled, None
            discard(awaitable)
            raise cancelled
        value = await bridged(awaitable)
    except BaseException as error:
        # `except` forgets `error` at its end, the job must not.
        reason = error
        return lambda: work.waiter.throw(reason)
    return lambda: work.waiter.switch(value)


def discard(awaitable: Awaitable[Any]) -> None:
    """Close an awaitable that will not be awaited, so that it does not warn."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


_pool_lock = threading.Lock()


def pool_of(app: Any) -> Pool:
    """The application's pool, made at its first use with ``SYNC_THREADS`` threads."""
    pool = app.extensions.get(_POOL_KEY)
    if pool is not None:
        return cast(Pool, pool)
    with _pool_lock:
        pool = app.extensions.get(_POOL_KEY)
        if pool is None:
            pool = app.extensions[_POOL_KEY] = Pool(app.config.get("SYNC_THREADS") or DEFAULT_SIZE)
    return cast(Pool, pool)


def lend_thread(app: Any) -> Callable[[], None]:
    """Allow the application one more thread, until what is returned is called.

    For who keeps a thread without an end in sight, so that no request has to wait for that.
    """
    pool = pool_of(app)
    pool.widen(1)
    return lambda: pool.widen(-1)


_POOL_KEY = "quart.sync_pool"
_shared_pool = Pool()


async def call(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the plain *func* in the current request's worker thread, in the current Context."""
    ctx = _cv_app.get(None)
    if ctx is not None and ctx.lease is not None:
        return await ctx.lease.call(func, *args, **kwargs)
    with Lease(_shared_pool if ctx is None else pool_of(ctx.app)) as lease:
        return await lease.call(func, *args, **kwargs)
