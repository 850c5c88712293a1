"""Report an event loop that has not run its callbacks for a while, and the code that holds it.

A thread beside the loops asks each loop now and then to call a function. That costs the loop a
callback every few seconds, and a request nothing. The thread only reports; it does not interfere.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING

from .._loops.forks import in_child
from .._loops.known import know_loop, KnownLoop
from .chain import running
from .report import described, listed
from .stack import formatted, yours
from .under_way import connections

if TYPE_CHECKING:
    from ..app import Quart

KEY = "BLOCKED_LOOP_WARNING"
_HELD = """\
The event loop has not turned for %.1f seconds: this process answers no request meanwhile.
%s
What holds it may wait for something that another request has, and can't give back while the loop is
held: a database connection, a lock. Let a view that blocks be a plain `def`, or run it in a place
of its own (`runs_in`).
%s"""


class _Watched:
    """A loop that is watched for an application."""

    def __init__(self, app: Quart, loop: KnownLoop, seconds: float) -> None:
        self.loop, self.seconds = loop, seconds
        # A weak reference, so that watching does not keep an application alive.
        self._app = weakref.ref(app)
        #: When the loop was asked, if it has not answered yet.
        self._asked: float | None = None
        self._told = False

    def look(self, now: float) -> None:
        """Ask the loop to answer, or see whether it has answered.

        A loop that does not run now, as between two calls of `run_until_complete`, holds up nobody.

        Raises:
            RuntimeError: if the loop has ended.
        """
        app = self._app()
        if app is None:
            raise RuntimeError("The application has gone.")
        if not self.loop.is_running():
            self.excuse()
            self._told = False
            return
        asked = self._asked
        if asked is None:
            self._asked = now
            self.loop.call_soon(self._turned)
        elif now - asked >= self.seconds and not self._told:
            self._told = True
            app.logger.error(_HELD, now - asked, *_situation(self.loop))

    def excuse(self) -> None:
        """Begin anew: the loop held up nobody, or this thread did not run either."""
        if self._asked is not None:
            self._asked = time.monotonic()

    def _turned(self) -> None:
        asked, self._asked = self._asked, None
        app = self._app()
        if self._told and asked is not None and app is not None:
            self._told = False
            app.logger.warning(
                "The event loop turns again, after %.1f seconds.", time.monotonic() - asked
            )


def _situation(loop: KnownLoop) -> tuple[str, str]:
    frames = running(sys._current_frames().get(loop.thread))
    under_way = connections()
    holders = [each for each in under_way if each.frames[-1:] == frames[-1:]]
    others = [each for each in under_way if each not in holders]
    if holders:
        held = f"It is held by {described(holders[0])}"
    else:
        held = f"It is held here:\n{formatted(yours(frames) or frames)}"
    return held, f"Other connections under way: {len(others)}\n{listed(others)}"


class Watchdog:
    """The thread that watches; it exists while there is a loop to watch."""

    def __init__(self) -> None:
        self._watched: list[_Watched] = []
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._runs = False

    def watch(self, watched: _Watched) -> None:
        with self._lock:
            self._watched.append(watched)
            self._changed.notify_all()
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._look, name="quart-watchdog", daemon=True).start()

    def watches(self, loop: KnownLoop) -> bool:
        with self._lock:
            return any(watched.loop is loop for watched in self._watched)

    def leave(self, watched: _Watched) -> None:
        with self._lock:
            if watched in self._watched:
                self._watched.remove(watched)
                self._changed.notify_all()

    def _pause(self) -> float | None:
        """Wait until the next look; return by how much that was late, or None at the end."""
        with self._lock:
            if not self._watched:
                self._runs = False
                return None
            seconds = min(watched.seconds for watched in self._watched) / 4
            before = time.monotonic()
            self._changed.wait(seconds)
            return time.monotonic() - before - seconds

    def _look(self) -> None:
        while (late := self._pause()) is not None:
            for watched in list(self._watched):
                if late > watched.seconds / 4:
                    watched.excuse()
                try:
                    watched.look(time.monotonic())
                except RuntimeError:
                    self.leave(watched)


_watchdog = Watchdog()


@in_child
def _forget() -> None:
    global _watchdog
    _watchdog = Watchdog()


def watch(app: Quart, unless_watched: bool = False) -> _Watched | None:
    """Watch the loop that runs here if *app* wants that; return the argument for `leave`."""
    seconds = app.config.get(KEY)
    if not seconds or app.debug or app.testing:
        return None
    loop = know_loop()
    if unless_watched and _watchdog.watches(loop):
        return None
    watched = _Watched(app, loop, seconds)
    _watchdog.watch(watched)
    return watched


def leave(watched: _Watched | None) -> None:
    """Stop watching."""
    if watched is not None:
        _watchdog.leave(watched)
