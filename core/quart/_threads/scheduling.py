"""Worker threads that let the event loop have its processor, on Linux; off unless configured.

Both need the GIL. A thread that wakes while the loop holds the GIL interrupts the loop, only to
wait. As a batch job it does not. The price: a busy loop would let no thread begin before the loop
has done all its work. So the loop gives way now and then.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

# The function itself: tests often replace `time.sleep`.
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import Load

#: What `SYNC_SCHEDULING` may be, but for None.
NAME = "batch"
# An event loop gives way when so many threads have not begun with what it gave them, and so many
# others are in the middle of a call.
CROWD = 8
BUSY = 16
# Linux lets a thread sleep for 50 microseconds at least, which is enough for them to begin.
_MOMENT = 1e-6


class Batch:
    """Threads that are batch jobs to Linux while they wait for work, and no longer."""

    def __init__(self) -> None:
        self._usual = os.sched_getscheduler(0)

    def rest(self) -> None:
        """Become a batch job, before the thread waits."""
        self._become(os.SCHED_BATCH)

    def work(self) -> None:
        """Become an ordinary one, before the thread works: what it starts inherits the policy."""
        self._become(self._usual)

    def _become(self, policy: int) -> None:
        # Some sandboxes do not have it.
        with suppress(OSError):
            os.sched_setscheduler(0, policy, os.sched_param(0))

    def give_way(self, load: Load) -> None:
        """Let threads begin with what they were given, if there is a crowd of them.

        Blocking calls that begin together end together, again and again. Shorter calls are over
        before the loop has given way, so there is never a crowd of them.
        """
        if len(load.given) % CROWD == 0 and len(load.begun) >= BUSY:
            sleep(_MOMENT)


def scheduling_named(name: str | None) -> Batch | None:
    """Return what *name*, of the configuration, stands for."""
    if name not in {None, NAME}:
        raise ValueError(f"app.config['SYNC_SCHEDULING'] must be None or {NAME!r}, not {name!r}.")
    return Batch() if name and sys.platform == "linux" else None
