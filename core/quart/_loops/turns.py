"""Turns for others, in loops whose steps may never suspend.

A server's `send` returns at once while its client reads fast, and also once the client has left.
Such a `send` and a generator that does not wait keep the event loop to themselves, and nobody even
learns that the client has left. So whatever steps through something asks a `Turns` at each step.
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

from .mailbox import in_trio

#: Seconds that steps may take in a row, about; a turn costs a hundredth of it.
SLICE = 0.001


class Turns:
    """When a run of steps is to give way, and how: ``if turns.due(): await turns.give()``."""

    __slots__ = ("_every", "_since", "_steps")

    def __init__(self, every: int = 1) -> None:
        """Look at the clock at each step, or, where steps are many and short, at some of them."""
        self._every = every
        self._steps = 0
        self._since = monotonic()

    def due(self) -> bool:
        """Count a step; say whether others should have a turn before the next one."""
        if self._every > 1:
            self._steps += 1
            if self._steps < self._every:
                return False
            self._steps = 0
        return monotonic() - self._since >= SLICE

    async def give(self) -> None:
        """Let others run; a cancellation arrives here, such as when the client has left."""
        await give_way()
        self._since = monotonic()


async def give_way() -> None:
    """Let the event loop run whatever else is ready; under Trio, too, this is a checkpoint."""
    if in_trio():
        await sys.modules["trio"].lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)
