"""Let coverage.py, with its default settings, count lines of code in greenlets.

Its tracer follows a thread's calls on a stack of its own, and the hook of `threading.settrace`
gives each new thread a tracer. After a switch of greenlets, code goes on somewhere else than that
stack says: lines would be counted for the wrong call, or not at all. So each greenlet gets a
tracer, as a thread does, and each switch brings back the greenlet's own.

None of this runs unless coverage.py traces threads when a thread makes its first greenlet.
"""

from __future__ import annotations

import inspect
import sys
import threading
from weakref import WeakKeyDictionary

import greenlet

from .._types import Function


class _Tracers:
    """The tracers of one thread's greenlets; called after each switch, in the new greenlet."""

    def __init__(self, hook: Function) -> None:
        self._hook = hook
        #: The tracer of greenlets that existed before, unless another one is known.
        self._first = sys.gettrace()
        self._of: WeakKeyDictionary[greenlet.greenlet, Function | None] = WeakKeyDictionary()
        #: Tracers of ended greenlets, to be used again, as coverage.py keeps each that it makes.
        self._spare: list[Function] = []

    def __call__(self, event: str, switched: tuple[greenlet.greenlet, greenlet.greenlet]) -> None:
        if threading.gettrace() != self._hook:
            # Tracing has stopped, or another tracer has begun.
            greenlet.settrace(None)
            return
        (origin, target), trace = switched, sys.gettrace()
        if not origin.dead:
            self._of[origin] = trace
        elif trace is not None and trace != self._first:
            self._spare.append(trace)
        # No name for the frame: it would refer to itself, and keep both greenlets.
        if getattr(inspect.currentframe(), "f_back", None) is not None:
            sys.settrace(self._of.get(target, self._first))
        elif trace is not None:
            # Tracing begins.
            sys.settrace(self._spare.pop() if self._spare else self._hook)


def follow_switches() -> None:
    """Give each greenlet of this thread its own tracer, if coverage.py traces."""
    hook = threading.gettrace()
    # A debugger sets such a hook too, but it steps through a thread and not through greenlets.
    if hook is None or not getattr(hook, "__module__", "").startswith("coverage."):
        return
    if greenlet.gettrace() is None:
        greenlet.settrace(_Tracers(hook))
