"""What a monitoring endpoint or a log line wants to know of an application's worker threads."""

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
    #: How many there are; unused ones end after a while.
    started: int
    #: How many of these are taken by a request.
    busy: int
    #: How many requests wait for one.
    queued: int
    #: The longest time, in seconds, that a request has waited for one so far.
    longest_wait: float


def threads(app: Quart) -> Threads:
    """Return the state of the worker threads of *app*, in which its plain views run."""
    pool = _pool.pool_of(app)
    return Threads(pool.size, pool.threads, pool.busy, pool.queued, pool.longest_wait)
