"""Wait for something that others push: a body's bytes, or a websocket's messages."""

from __future__ import annotations

from typing import Any

from .._loops.mailbox import make_event


class Changing:
    """An object that tasks wait on until others change it."""

    _changed: Any = None

    async def _wait_for_change(self) -> None:
        if self._changed is None:
            self._changed = make_event()
        await self._changed.wait()

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
