"""Greenlets that are used again.

Python gives each new greenlet a stack of its own. Cost: "greenlet" in docs/performance.md. So one
that has made its call waits to make another one, in the same thread.
"""

from __future__ import annotations

import threading
from contextvars import Context
from typing import Any, cast, ClassVar, ParamSpec, Self, TypeVar

from greenlet import getcurrent, greenlet

from .._types import Function, Outcome

T = TypeVar("T")
P = ParamSpec("P")

# What a burst leaves behind for each thread; a parked greenlet takes some 20 KiB.
KEPT = 64


class _Idle(threading.local):
    """The parked greenlets of a thread."""

    def __init__(self) -> None:
        self.greenlets: list[Any] = []


class ReusableGreenlet(greenlet):
    """A greenlet that makes one call after another; each class has its own."""

    _idle: ClassVar[_Idle]
    _call: Any
    _outcome: Outcome | None

    def __init_subclass__(cls) -> None:
        cls._idle = _Idle()

    @classmethod
    def take(cls, context: Context | None) -> Self:
        """Return one for a call in *context*, beneath the current greenlet."""
        idle = cls._idle.greenlets
        if not idle:
            taken = cls(_serve, getcurrent())
        else:
            taken = idle.pop()
            taken.parent = getcurrent()
        taken.gr_context = context
        return taken

    def begin(self, func: Function, args: object, kwargs: object) -> Any:
        """Call *func* in here; return what is switched up before it has ended, if anything is."""
        self._call, self._outcome = (func, args, kwargs), None
        return self.switch()

    @property
    def ended(self) -> bool:
        """Whether the call has ended, with what `outcome` gives."""
        return self._outcome is not None

    def outcome(self) -> object:
        """Return what the call returned, or raise what it raised, once."""
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
        _make_call(cast(Any, getcurrent())).switch()


def _make_call(this: ReusableGreenlet) -> greenlet:
    func, args, kwargs = this._call
    this._call = None
    try:
        this._outcome = func(*args, **kwargs), None
    except BaseException as error:
        this._outcome = None, error
    # Keep nothing of a request alive while parked.
    this.gr_context = None
    parent = this.parent
    assert parent is not None
    idle = this._idle.greenlets
    # A parked greenlet holds the one that it has switched to, so that has to be one that lasts:
    # a thread's first, which has no parent. Eventlet and gevent make one for each task.
    if parent.parent is None and len(idle) < KEPT:
        idle.append(this)
    return parent
