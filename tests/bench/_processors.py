"""Which processors a program may use; where the platform lets nobody choose, all of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager


def apart() -> tuple[list[int] | None, list[int] | None]:
    """One processor for what is measured, and those for the client."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    first, *others = sorted(os.sched_getaffinity(0))
    return [first], others or [first]


@contextmanager
def started_on(processors: Collection[int] | None) -> Iterator[None]:
    """Let the processes that are started here use only these processors; None for any."""
    if processors is None:
        yield
        return
    before = os.sched_getaffinity(0)
    # A process has what the thread has that starts it.
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
