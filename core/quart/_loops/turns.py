"""Give other tasks a turn in loops whose steps may never suspend.

A server's `send` returns at once while its client reads fast, and also after the client has left.
Such a `send`, with a generator that does not wait, would keep the event loop to itself, and nobody
would even learn that the client has left. So every such loop asks a `Turns` at each step.
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

from .mailbox import in_trio

#: About how many seconds steps may take in a row. A turn costs a hundredth of that.
SLICE = 0.001


class Turns:
    """Says when a loop must give way. Use it as ``if turns.due(): await turns.give()``."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        #: When the next turn is due, by `monotonic`.
        self.until = monotonic() + SLICE

    def due(self) -> bool:
        """Return whether others should have a turn before the next step."""
        return monotonic() >= self.until

    async def give(self) -> None:
        """Let others run. A cancellation arrives here, such as when the client has left."""
        await give_way()
        self.until = monotonic() + SLICE


async def give_way() -> None:
    """Let the event loop run whatever else is ready; under Trio this is a checkpoint."""
    if in_trio():
        await sys.modules["trio"].lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)
