"""Says in debug mode, and in tests, which code held the event loop.

Each step of a request's task is timed by a thread beside it, since the loop itself cannot look
while it is held; so the stack in the report is that of the code in question.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from quart._loops.forks import in_child
from quart._loops.resume import stepped
from quart._types import CoroutineOf
from quart._watching.chain import running
from quart._watching.stack import formatted, yours

from . import holding

if TYPE_CHECKING:
    from quart.ctx import AppContext

T = TypeVar("T")

KEY = "SLOW_CALLBACK_DURATION"
DEFAULT = 0.1


@dataclass(slots=True, eq=False)
class _Step:
    """One step of a task, from when the loop gave it control until it gives it back."""

    ctx: AppContext
    thread: int
    seconds: float
    late_at: float


class _Watcher:
    """The thread that looks whether a step takes too long."""

    def __init__(self) -> None:
        self._steps: set[_Step] = set()
        self._begun = threading.Event()
        threading.Thread(target=self._look, name="quart-slow-callbacks", daemon=True).start()

    def begin(self, step: _Step) -> None:
        self._steps.add(step)
        self._begun.set()

    def end(self, step: _Step) -> None:
        self._steps.discard(step)

    def _look(self) -> None:
        while True:
            self._begun.wait()
            self._begun.clear()
            while steps := list(self._steps):
                now = time.monotonic()
                for step in steps:
                    if now >= step.late_at:
                        self._steps.discard(step)
                        _report(step)
                time.sleep(min(step.seconds for step in steps) / 4)


@cache
def _watcher() -> _Watcher:
    return _Watcher()


in_child(_watcher.cache_clear)


def _report(step: _Step) -> None:
    frames = yours(running(sys._current_frames().get(step.thread)))
    if not frames:
        return
    connection = step.ctx.connection
    name = None if connection is None else connection.endpoint
    step.ctx.app.logger.warning(
        "The request of %r has held the event loop for more than %s seconds. All other requests"
        " wait meanwhile. Make the view a plain `def`, so that it runs in a thread, or await"
        " instead of what is at the end of this stack:\n%s",
        name,
        step.seconds,
        formatted(frames),
    )


def watched(ctx: AppContext, work: CoroutineOf[T]) -> Awaitable[T]:
    """Run *work*, and report each of its steps that takes longer than SLOW_CALLBACK_DURATION."""
    seconds = ctx.app.config.get(KEY) or DEFAULT
    watcher = _watcher()
    holding.listen()

    def timed(step: Callable[[object], object], value: object) -> object:
        now = _Step(ctx, threading.get_ident(), seconds, time.monotonic() + seconds)
        watcher.begin(now)
        try:
            future = step(value)
        finally:
            watcher.end(now)
        holding.look(ctx)
        return future

    return stepped(work, timed)
