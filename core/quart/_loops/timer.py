"""One timer per event loop, shared by all callbacks with the same delay.

Most callbacks are removed long before they are due. Setting and cancelling a timer for each would
be one of the larger costs of a request that waits. Cost: "timer" in docs/performance.md.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import Context, copy_context

from .forks import detach, in_child
from .known import know_loop


class Alarm:
    """Calls each added function in the Context that added it, unless it is removed in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        #: The callbacks with their times and Contexts, in the order in which they were added.
        self._calls: dict[Callable[[], None], tuple[float, Context]] = {}
        self._is_set = False
        # Use an empty Context, as the timer outlives the request that happens to set it.
        self._context = Context()
        know_loop()

    def add(self, func: Callable[[], None], seconds: float) -> None:
        """Call *func* in about *seconds*; use the same delay for all functions of one alarm."""
        due = self.loop.time() + seconds
        self._calls[func] = due, copy_context()
        if not self._is_set:
            self._set(due)

    def remove(self, func: Callable[[], None]) -> None:
        """Do not call *func*, if it has not been called."""
        self._calls.pop(func, None)

    def _set(self, due: float) -> None:
        self._is_set = True
        self.loop.call_at(due, self._ring, context=self._context)

    def _ring(self) -> None:
        self._is_set = False
        now = self.loop.time()
        for func, (due, context) in self._calls.items():
            if due > now:
                self._set(due)
                break
            # The event loop handles errors of the callbacks.
            self.loop.call_soon(self._call, func, context=context)

    def _call(self, func: Callable[[], None]) -> None:
        # An earlier callback may have removed it.
        if self._calls.pop(func, None) is not None:
            func()


class _Current(threading.local):
    alarm: Alarm | None = None


_current = _Current()


@in_child
def _forget_alarm() -> None:
    if _current.alarm is not None:
        detach(_current.alarm.loop)
        _current.alarm = None


def alarm_of_loop() -> Alarm:
    """Return the alarm of the running event loop."""
    loop, alarm = asyncio.get_running_loop(), _current.alarm
    if alarm is None or alarm.loop is not loop:
        alarm = _current.alarm = Alarm(loop)
    return alarm
