"""Greenlets that are used again, as starting one costs many switches.

Python gives each new greenlet its own stack. Cost: "greenlet" in docs/performance.md. So a greenlet
that has finished its call is parked until the same thread needs one again.
"""

from __future__ import annotations

import threading
from contextvars import Context
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from greenlet import getcurrent, greenlet

from .._types import Function, Outcome
from .tracers import follow_switches

T = TypeVar("T")
P = ParamSpec("P")

# The number that a burst may leave behind in each thread; each takes about 20 KiB.
KEPT = 64


class _Idle(threading.local):
    """The parked greenlets of a thread."""

    def __init__(self) -> None:
        self.greenlets: list[Any] = []


class ReusableGreenlet(greenlet):
    """A greenlet that makes one call after another; each subclass has parked ones of its own."""

    __slots__ = ("_call", "_outcome")

    _idle: ClassVar[_Idle]
    _call: Any
    _outcome: Outcome | None

    def __init_subclass__(cls) -> None:
        cls._idle = _Idle()

    @classmethod
    def take(cls, context: Context | None) -> Self:
        """Return a greenlet for a call in *context*, with the current greenlet as its parent."""
        idle = cls._idle.greenlets
        if not idle:
            follow_switches()
            taken = cls(_serve, getcurrent())
        else:
            taken = idle.pop()
            taken.parent = getcurrent()
        taken.gr_context = context
        return taken

    def begin(self, func: Function, args: object, kwargs: object) -> Any:
        """Call *func* in this greenlet; return the first thing that it switches up, if any."""
        self._call, self._outcome = (func, args, kwargs), None
        return self.switch()

    @property
    def ended(self) -> bool:
        """Whether the call has ended; then `outcome` has its result."""
        return self._outcome is not None

    def outcome(self) -> object:
        """Return what the call returned, or raise what it raised. Call this once."""
        assert self._outcome is not None
        result, error = self._outcome
        self._outcome = None, None
        if error is None:
            return result
        try:
            raise error
        finally:
            del error


def _serve() -> None:
    """Make calls until nobody has a reference to this greenlet, not even its own frames."""
    while True:
        # Without a name: this frame would keep the greenlet alive.
        _make_call(getcurrent()).switch()  # type: ignore[arg-type]  # it is one of ours


def _make_call(this: ReusableGreenlet) -> greenlet:
    func, args, kwargs = this._call
    this._call = None
    try:
        this._outcome = func(*args, **kwargs), None
    except BaseException as error:
        this._outcome = None, error
    # A parked greenlet must keep nothing of a request alive.
    this.gr_context = None
    parent = this.parent
    assert parent is not None
    idle = this._idle.greenlets
    # A parked greenlet refers to the greenlet that it has switched to, so switch to one that lasts:
    # the thread's first, which has no parent. Eventlet and gevent make a new one for each task.
    if parent.parent is None and len(idle) < KEPT:
        idle.append(this)
    return parent
