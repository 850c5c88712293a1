"""The state of an application's worker threads, for monitoring and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quart._threads import pool as _pool

if TYPE_CHECKING:
    from quart.app import Quart


@dataclass(frozen=True, slots=True)
class Threads:
    """The state of a pool of worker threads at one moment."""

    #: How many threads there may be, SYNC_THREADS.
    size: int
    #: How many threads there are; unused ones end after a while.
    started: int
    #: How many of these have a request.
    busy: int
    #: How many requests wait for a thread.
    queued: int
    #: The longest time that a request has waited for a thread so far, in seconds.
    longest_wait: float


def threads(app: Quart) -> Threads:
    """Return the state of the worker threads of *app*, in which its plain views run."""
    pool = _pool.pool_of(app)
    return Threads(pool.size, pool.threads, pool.busy, pool.queued, pool.longest_wait)
