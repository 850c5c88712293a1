"""Make worker threads leave the processor to the event loop, on Linux; off by default.

The threads and the loop share the GIL. A thread that wakes while the loop holds the GIL interrupts
the loop, only to wait for it. A thread that is a batch job to Linux does not interrupt. The price
is that a busy loop would let no thread begin before the loop has finished all its work. So the loop
gives way now and then.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

# Import the function, as tests often replace `time.sleep`.
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import Load

#: The value of `SYNC_SCHEDULING` that turns this on.
NAME = "batch"
# The loop gives way at each multiple of CROWD jobs that threads have not taken yet, if at least
# BUSY calls are under way. The two were found by trying, on one machine.
CROWD = 8
BUSY = 16
# Linux makes this at least 50 microseconds, in which the threads can begin.
_MOMENT = 1e-6


class Batch:
    """Makes threads batch jobs while they wait for work, and only then."""

    def __init__(self) -> None:
        self._usual = os.sched_getscheduler(0)

    def rest(self) -> None:
        """Make this thread a batch job, before it waits."""
        self._become(os.SCHED_BATCH)

    def work(self) -> None:
        """Make this thread ordinary, before it works: what it starts inherits the policy."""
        self._become(self._usual)

    def _become(self, policy: int) -> None:
        # Some sandboxes forbid the call.
        with suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(0))

    def give_way(self, load: Load) -> None:
        """Let threads begin with their jobs, if many of them wait.

        This helps with blocking calls that begin together, as these also end together, again and
        again. Shorter calls are over before the loop gives way, so they never form a crowd.
        """
        if len(load.given) % CROWD == 0 and len(load.begun) >= BUSY:
            sleep(_MOMENT)


def scheduling_named(name: str | None) -> Batch | None:
    """Return the policy for SYNC_SCHEDULING's value *name*; None for the usual scheduling.

    Raises:
        ValueError: if there is no policy of that name.
    """
    if name not in {None, NAME}:
        raise ValueError(
            f"Expected app.config['SYNC_SCHEDULING'] to be None or {NAME!r}, got {name!r}."
        )
    return Batch() if name and sys.platform == "linux" else None
