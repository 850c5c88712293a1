"""Report in debug mode, and in tests, which code has held the event loop.

A thread beside the loop times each step of a request's task. The loop itself cannot look while it
is held. So the stack in the report is that of the code in question.
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
    from types import FrameType

    from quart.app import Quart
    from quart.ctx import AppContext

T = TypeVar("T")

KEY = "SLOW_CALLBACK_DURATION"
DEFAULT = 0.1


@dataclass(slots=True, eq=False)
class Step:
    """One step of a task, from when the loop calls it until it returns to the loop."""

    ctx: AppContext
    thread: int
    seconds: float
    late_at: float
    #: Called with the stack when the step takes too long. The stack begins with the application's
    #: first frame, and is empty if only the framework is at work.
    tell: Callable[[Step, list[FrameType]], None]


class _Watcher:
    """The thread that looks for steps that take too long."""

    def __init__(self) -> None:
        self._steps: set[Step] = set()
        self._begun = threading.Event()
        threading.Thread(target=self._look, name="quart-slow-callbacks", daemon=True).start()

    def begin(self, step: Step) -> None:
        self._steps.add(step)
        self._begun.set()

    def end(self, step: Step) -> None:
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
                        frame = sys._current_frames().get(step.thread)
                        step.tell(step, yours(running(frame)))
                time.sleep(min(step.seconds for step in steps) / 4)


@cache
def _watcher() -> _Watcher:
    return _Watcher()


in_child(_watcher.cache_clear)


def limit_of(app: Quart) -> float:
    """Return the seconds after which a step is too long."""
    return app.config.get(KEY) or DEFAULT


def begin(ctx: AppContext, seconds: float, tell: Callable[[Step, list[FrameType]], None]) -> Step:
    """Watch the step that begins now in this thread, until `end`."""
    step = Step(ctx, threading.get_ident(), seconds, time.monotonic() + seconds, tell)
    _watcher().begin(step)
    return step


def end(step: Step) -> None:
    _watcher().end(step)


def _report(step: Step, frames: list[FrameType]) -> None:
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
    """Return *work* so that each step longer than SLOW_CALLBACK_DURATION is reported."""
    seconds = limit_of(ctx.app)
    holding.listen()

    def timed(step: Callable[[object], object], value: object) -> object:
        now = begin(ctx, seconds, _report)
        try:
            future = step(value)
        finally:
            end(now)
        holding.look(ctx)
        return future

    return stepped(work, timed)
