"""Lets coverage.py, with its default settings, count lines of code that greenlets have parked.

Its tracer follows the calls of a thread by a stack of its own, and gives each new thread a tracer
by the hook of `threading.settrace`. A switch of greenlets goes on elsewhere than where that stack
is: what comes next would be counted for the wrong call, or not at all. So a greenlet gets a tracer
as a thread does, and each switch brings back the one that was there.

Nothing of this is there unless coverage.py traces threads at the time when a thread makes its
first greenlet.
"""

from __future__ import annotations

import inspect
import sys
import threading
from weakref import WeakKeyDictionary

import greenlet

from .._types import Function


class _Tracers:
    """What traces the greenlets of one thread; called after each switch, in the new one."""

    def __init__(self, hook: Function) -> None:
        self._hook = hook
        #: Of those that were there before, as far as nothing else is known.
        self._first = sys.gettrace()
        self._of: WeakKeyDictionary[greenlet.greenlet, Function | None] = WeakKeyDictionary()
        #: Those of greenlets that have ended, as coverage.py keeps each that it makes.
        self._spare: list[Function] = []

    def __call__(self, event: str, switched: tuple[greenlet.greenlet, greenlet.greenlet]) -> None:
        if threading.gettrace() != self._hook:
            # It has stopped, or another one has begun.
            greenlet.settrace(None)
            return
        (origin, target), frame = switched, inspect.currentframe()
        trace = sys.gettrace()
        if not origin.dead:
            self._of[origin] = trace
        elif trace is not None and trace != self._first:
            self._spare.append(trace)
        if frame is not None and frame.f_back is not None:
            sys.settrace(self._of.get(target, self._first))
        elif trace is not None:
            # It begins.
            sys.settrace(self._spare.pop() if self._spare else self._hook)


def follow_switches() -> None:
    """Let each greenlet of this thread have a tracer of its own, where coverage.py traces."""
    hook = threading.gettrace()
    # A debugger has such a hook too; it steps through a thread, whichever greenlet runs.
    if hook is None or not getattr(hook, "__module__", "").startswith("coverage."):
        return
    if greenlet.gettrace() is None:
        greenlet.settrace(_Tracers(hook))
