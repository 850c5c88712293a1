"""Run plain functions in worker threads: one thread per request, in the request's own Context.

A call runs in a greenlet of a worker thread, and the greenlet's ``gr_context`` *is* the Context of
the task that asked for the call. The Context is neither copied nor entered, so the task may go on
running in it while the call waits.

A call may wait for async code: it hands the awaitable to its task, and another greenlet becomes its
thread's hub (`worker.py`). While it waits, the thread takes other calls of the same request. So
nested plain calls cannot exhaust the pool, and calls need not end in the order in which they began.

The invariant: a thread belongs to one lease at a time, and a lease to one request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from greenlet import getcurrent

from .._loops.forks import in_child
from .._loops.mailbox import Mailbox, make_mailbox
from .._types import Function, Outcome
from ..globals import _cv_app
from .pool import Pool, pool_of
from .worker import Call, Job, run_call, WorkerThread, WorkGreenlet

T = TypeVar("T")
P = ParamSpec("P")
#: Awaits what a thread waits for; the layer's does so beneath a bridge.
Awaiting = Callable[[Awaitable[object]], Awaitable[object]]


class Lease:
    """The worker thread of one request, taken when first needed and kept until `release`."""

    __slots__ = ("_active", "_pool", "_waiting", "_worker", "awaiting", "make_mailbox")

    def __init__(
        self,
        pool: Pool,
        awaiting: Awaiting = lambda awaitable: awaitable,
        mailbox: Callable[[], Mailbox] = make_mailbox,
    ) -> None:
        """Lease a thread of *pool*; *awaiting* awaits what its calls wait for.

        A caller that is no task, but blocks, passes another kind of *mailbox*.
        """
        self._pool = pool
        self.awaiting = awaiting
        self.make_mailbox = mailbox
        self._worker: WorkerThread | None = None
        self._active = 0
        #: Calls that wait until another call has got a thread for this lease.
        self._waiting: list[Mailbox] | None = None

    async def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *func* in this request's thread and return its result.

        If that thread is busy because the request makes several calls at once, another thread is
        used if one is free; otherwise the call waits for its turn on this thread. It never queues
        for a second thread, as that could be kept by requests that wait for this one. A
        cancellation reaches *func* at its next wait; you cannot interrupt a thread.
        """
        other = None
        if self._active:
            if self._worker is not None and self._worker.is_this_thread():
                # The call comes from a loop of that very thread, which would wait for itself.
                return func(*args, **kwargs)
            other = self._pool.take()
        # 1 while the call occupies this request's thread; a call that waits does not occupy it.
        own = 1 if other is None else 0
        self._active += own
        try:
            worker = other or self._worker or self._take() or await self._own_worker()
            mailbox = self.make_mailbox()
            worker.give(_first_job(func, args, kwargs, mailbox))
            while True:
                work, payload = await mailbox.get()
                if work is None:
                    result: T = outcome_of(payload, mailbox.cancelled)
                    return result
                self._active -= own
                try:
                    job = await reply(work, payload, mailbox, self.awaiting)
                finally:
                    self._active += own
                worker.give(job)
        finally:
            self._active -= own
            if other is not None:
                self._pool.release(other)

    def _take(self) -> WorkerThread | None:
        """Take a thread that is free now, without a coroutine; None if there is none."""
        if self._waiting is None:
            self._worker = self._pool.take()
        return self._worker

    async def _own_worker(self) -> WorkerThread:
        while self._worker is None:
            if self._waiting is None:
                await self._acquire()
            else:
                mailbox = self.make_mailbox()
                self._waiting.append(mailbox)
                await mailbox.get(interruptible=True)
        return self._worker

    async def _acquire(self) -> None:
        self._waiting = []
        try:
            self._worker = await self._pool.acquire(self.make_mailbox)
        finally:
            # Wake one of them, which tries next if this call was cancelled.
            waiting, self._waiting = self._waiting, None
            for mailbox in waiting:
                mailbox.put(None)

    async def start(self, func: Callable[[], object], mailbox: Mailbox) -> WorkerThread:
        """Start *func* in this request's thread; its waits and its result go to *mailbox*."""
        worker = await self._own_worker()
        worker.give(_first_job(func, (), {}, mailbox))
        return worker

    def release(self) -> None:
        """Give the thread back; the next `call` takes another one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.release(worker)

    def abandon(self) -> None:
        """Release the thread from within itself: for finalizers, which may run under any lock."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.give(partial(self._pool.release, worker))

    def forget(self) -> None:
        """Forget the thread and its callers, as a forked child has neither."""
        self._worker, self._active, self._waiting = None, 0, None

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()


def _first_job(func: Function, args: object, kwargs: dict[str, object], mailbox: Mailbox) -> Job:
    return Call(run_call, func, args, kwargs, getcurrent().gr_context, mailbox)


def outcome_of(payload: Outcome, cancelled: BaseException | None) -> Any:
    result, error = payload
    if cancelled is not None and not isinstance(error, type(cancelled)):
        raise cancelled
    if error is not None:
        raise error
    return result


async def reply(
    work: WorkGreenlet, awaitable: Awaitable[object], mailbox: Mailbox, awaiting: Awaiting
) -> Job:
    """Await what *work* waits for, and return the job that lets it go on."""
    try:
        if mailbox.cancelled is not None:
            cancelled, mailbox.cancelled = mailbox.cancelled, None
            discard(awaitable)
            raise cancelled
        value = await awaiting(awaitable)
    except BaseException as error:
        return work.reply(awaitable, None, error)
    return work.reply(awaitable, value)


def discard(awaitable: Awaitable[object]) -> None:
    """Close an awaitable that nobody will await, so that Python does not warn about it."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


_shared_pool = Pool()


@in_child
def _abandon_leases() -> None:
    ctx = _cv_app.get(None)
    while ctx is not None:
        if ctx._lease is not None:
            ctx._lease.forget()
        ctx = ctx._outer


async def call(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the plain *func* in the current request's worker thread, in the current Context."""
    ctx = _cv_app.get(None)
    if ctx is not None and ctx.lease is not None:
        return await ctx.lease.call(func, *args, **kwargs)
    with Lease(_shared_pool if ctx is None else pool_of(ctx.app)) as lease:
        return await lease.call(func, *args, **kwargs)
