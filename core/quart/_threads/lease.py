"""Worker threads for plain functions: one per request, in the request's own Context.

A piece of work runs in a greenlet on a thread of the pool whose ``gr_context`` *is* the Context of
the task that asked for it. Nothing is copied, and the Context is not entered, so the task may go on
running in it while the work waits.

Work may wait for async code: it hands the awaitable to its task, and another greenlet becomes the
hub of its thread. While it waits, the thread takes other work of the same request, which is why
nested sync work cannot exhaust the pool, and why pieces of work do not have to end in the order in
which they began.

The invariant: a thread belongs to one lease at a time, and a lease to one request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast, ParamSpec, TypeVar

from greenlet import getcurrent

from .._loops.forks import in_child
from .._loops.mailbox import Mailbox, make_mailbox
from .._types import Function, Outcome
from ..globals import _cv_app
from .pool import Pool, pool_of
from .worker import Call, Job, run_call, WorkerThread, WorkGreenlet

T = TypeVar("T")
P = ParamSpec("P")
#: Awaits what a thread waits for, perhaps so that plain code beneath it may wait.
Awaiting = Callable[[Awaitable[Any]], Awaitable[Any]]


class Lease:
    """The worker thread of one request, taken when first needed and kept until `release`."""

    __slots__ = ("_active", "_pool", "_waiting", "_worker", "awaiting", "make_mailbox")

    def __init__(
        self,
        pool: Pool,
        awaiting: Awaiting = lambda awaitable: awaitable,
        mailbox: Callable[[], Mailbox] = make_mailbox,
    ) -> None:
        """Lease a thread of *pool*; *awaiting* awaits what its work waits for.

        A caller that is no task, and blocks, has a *mailbox* of another kind.
        """
        self._pool = pool
        self.awaiting = awaiting
        self.make_mailbox = mailbox
        self._worker: WorkerThread | None = None
        self._active = 0
        #: Calls that wait until another one has got this lease its thread.
        self._waiting: list[Mailbox] | None = None

    async def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run *func* in this request's thread and return its result.

        Where that thread is busy (the request started several calls at once) another one is
        used, if one is free at once; otherwise this one, in turn. A request that queued for a
        second thread could wait for what other requests keep. A cancellation reaches *func* at
        its next wait; a thread cannot be interrupted.
        """
        other = None
        if self._active:
            if self._worker is not None and self._worker.is_this_thread():
                # From a loop of that thread's own, which would wait for itself.
                return func(*args, **kwargs)
            other = self._pool.take()
        # 1 while the call occupies this request's own thread; a call that waits does not.
        own = 1 if other is None else 0
        self._active += own
        try:
            worker = other or self._worker or self._take() or await self._own_worker()
            mailbox = self.make_mailbox()
            worker.give(_first_job(func, args, kwargs, mailbox))
            while True:
                work, payload = await mailbox.get()
                if work is None:
                    return cast(T, outcome_of(payload, mailbox.cancelled))
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
        """Take a thread that is free now, which needs no coroutine."""
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
            # If this was cancelled, one of them tries next.
            waiting, self._waiting = self._waiting, None
            for mailbox in waiting:
                mailbox.put(None)

    async def start(self, func: Callable[[], object], mailbox: Mailbox) -> WorkerThread:
        """Start *func* in this request's thread; what it wants and gives is left in *mailbox*."""
        worker = await self._own_worker()
        worker.give(_first_job(func, (), {}, mailbox))
        return worker

    def release(self) -> None:
        """Give the thread back; the next `call` takes one anew."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.release(worker)

    def abandon(self) -> None:
        """Release it from where locks may be held, as in a finalizer: in the thread itself."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.give(partial(self._pool.release, worker))

    def forget(self) -> None:
        """Forget the thread and the callers that wait for it: a forked child has neither."""
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
    """Await what *work* waits for and return the job that lets it go on."""
    try:
        if mailbox.cancelled is not None:
            cancelled, mailbox.cancelled = mailbox.cancelled, None
            discard(awaitable)
            raise cancelled
        value = await awaiting(awaitable)
    except BaseException as error:
        return work.reply(None, error)
    return work.reply(value)


def discard(awaitable: Awaitable[object]) -> None:
    """Close an awaitable that will not be awaited, so that it does not warn."""
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
