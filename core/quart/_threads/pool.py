"""A bounded number of worker threads, and the queue for them.

A request with a plain view takes one worker thread and keeps it to its end. If all are taken, the
request queues. A bounded pool can lock up (everybody who has a thread waits for somebody in the
queue), and a queue can be unfair. These rules prevent both:

1. A worker is in one place: with one lease, or in `_idle`. It moves under `_lock`. `threads` counts
   it wherever it is.
2. There is a queue only while no worker is idle. A worker that comes back goes to the first in the
   queue, and to `_idle` only if the queue is empty. So nobody overtakes.
3. A caller that gives up waiting may have been given a worker at the same moment. Both are decided
   under `_lock`, so there are two cases. Either the caller is still in the queue, and leaves it. Or
   its mailbox holds a worker, which it gives back.
4. A lease never waits for a second worker. What a request starts while its own call waits runs on
   the thread that it has (`lease.py`). So a full pool makes requests wait, and never stops them.
5. A thread ends when it has been idle for a while (`worker.py`), but only if it can still be taken
   out of `_idle`: see `retire`.

Code that keeps a thread indefinitely, such as code that has taken over a websocket, would shrink
the pool for all others. `widen` lends one more thread for it.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, cast

from .._loops.forks import in_child
from .._loops.mailbox import Mailbox, make_mailbox
from .scheduling import scheduling_named
from .worker import Load, WorkerThread

DEFAULT_SIZE = 40
_POOL_KEY = "quart.sync_pool"


class Pool:
    """A bounded set of worker threads. If none is free, callers queue and are served in order."""

    def __init__(self, size: int = DEFAULT_SIZE, scheduling: str | None = None) -> None:
        if size < 1:
            raise ValueError(
                f"Expected at least 1 thread, got {size}. Set SYNC_THREADS to the number of worker"
                " threads."
            )
        self.size = size
        self.scheduling = scheduling_named(scheduling)
        #: How many threads are lent; the size includes them.
        self._lent = 0
        self._idle: list[WorkerThread] = []
        self._begin()
        # Let the threads end with the pool.
        weakref.finalize(self, _dismiss, self._idle).atexit = False
        _pools.add(self)

    def _begin(self) -> None:
        self.threads = 0
        self.started = 0
        self.load = Load()
        #: The callers that wait, in order, each with the time at which it began to wait.
        self._queue: dict[Mailbox, float] = {}
        self._lock = threading.Lock()
        self._longest_wait = 0.0

    def begin_anew(self) -> None:
        """Start with no threads in a forked child, which does not have its parent's threads."""
        self._idle.clear()
        self.size -= self._lent
        self._lent = 0
        self._begin()

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

        Requests that still wait count too.
        """
        with self._lock:
            since = next(iter(self._queue.values()), None)
        waited = 0.0 if since is None else time.monotonic() - since
        return max(self._longest_wait, waited)

    def take(self) -> WorkerThread | None:
        """Return a worker if one is free or can be started, else None."""
        with self._lock:
            return self._take()

    def _take(self) -> WorkerThread | None:
        if self._idle:
            return self._idle.pop()
        if self.threads >= self.size:
            return None
        try:
            worker = WorkerThread(self)
        except RuntimeError:
            # The system refuses another thread, but one of ours will be free again.
            if self.threads:
                return None
            raise
        self.threads += 1
        return worker

    async def acquire(self, make_mailbox: Callable[[], Mailbox] = make_mailbox) -> WorkerThread:
        """Wait for a worker and return it."""
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
        return cast(WorkerThread, worker)

    def _give_up(self, mailbox: Mailbox) -> None:
        with self._lock:
            if mailbox in self._queue:
                del self._queue[mailbox]
                return
        self.release(mailbox.take())

    def release(self, worker: WorkerThread) -> None:
        with self._lock:
            if self._queue:
                mailbox = next(iter(self._queue))
                del self._queue[mailbox]
                mailbox.put(worker)
            else:
                self._idle.append(worker)

    def widen(self, by: int) -> None:
        """Allow *by* more threads, or fewer if it is negative; then serve the queue."""
        with self._lock:
            self.size += by
            self._lent += by
            while self._queue and (worker := self._take()) is not None:
                mailbox = next(iter(self._queue))
                del self._queue[mailbox]
                mailbox.put(worker)

    def retire(self, worker: WorkerThread) -> bool:
        """Let an idle worker end; return False if somebody has taken it in the meantime."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            self.threads -= 1
            return True


def _dismiss(idle: list[WorkerThread]) -> None:
    for worker in idle:
        worker.dismiss()


#: The pools of this process.
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_pool_lock = threading.Lock()


@in_child
def _begin_anew() -> None:
    global _pool_lock
    _pool_lock = threading.Lock()
    for pool in list(_pools):
        pool.begin_anew()


def pool_of(app: Any) -> Pool:
    """Return the application's pool; the first call makes it, with ``SYNC_THREADS`` threads."""
    pool: Pool | None = app.extensions.get(_POOL_KEY)
    if pool is not None:
        return pool
    with _pool_lock:
        pool = app.extensions.get(_POOL_KEY)
        if pool is None:
            size = app.config.get("SYNC_THREADS") or DEFAULT_SIZE
            pool = Pool(size, app.config.get("SYNC_SCHEDULING"))
            app.extensions[_POOL_KEY] = pool
    return pool


def lend_thread(app: object) -> Callable[[], None]:
    """Allow the application one more thread; call what this returns to take it back.

    Use it for code that keeps a thread indefinitely, so that requests do not queue behind it.
    """
    pool = pool_of(app)
    pool.widen(1)
    return lambda: pool.widen(-1)
