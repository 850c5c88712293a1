"""Greenlets that share a thread, gevent's and eventlet's: noticing them, and waiting among them.

An event loop that one of them runs is, to asyncio, the one that runs in all others. So none is run
in such a thread, and code that waits for another thread lets the other greenlets run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet


class Signal:
    """What one thread waits for and others give, again and again."""

    def __init__(self, event: Any = None) -> None:
        self._event = threading.Event() if event is None else event

    def give(self) -> None:
        """Wake the waiting code; from any thread, and also when nothing waits any more."""
        self._event.set()

    def wait(self) -> None:
        """Wait until it is given; it may be that there is no reason to."""
        self._event.wait()
        self._event.clear()

    def put_away(self) -> None:
        """Say that nobody will wait for this for now."""


def start_thread(func: Callable[[], None], name: str) -> None:
    """Run *func* in a thread that is none of the greenlets'."""
    if _GEVENT.runs_here():
        monkey = import_module("gevent.monkey")
        monkey.get_original("_thread", "start_new_thread")(func, ())
    else:
        threads = _original_threading() if _EVENTLET.runs_here() else threading
        threads.Thread(target=func, name=name, daemon=True).start()


def make_signal() -> Signal:
    """Return what to wait for in this thread or greenlet."""
    if _GEVENT.runs_here():
        return _take_gevents()
    return _EventletSignal() if _EVENTLET.runs_here() else Signal()


def is_green() -> bool:
    """Whether other greenlets may run in this thread while this one waits."""
    return _GEVENT.runs_here() or _EVENTLET.runs_here()


class _GeventSignal(Signal):
    """Made of the one thing of gevent's that another thread may touch.

    It is used again, and not closed: another thread may be about to give it once more.
    """

    def __init__(self, hub: Any, spare: list[_GeventSignal]) -> None:
        super().__init__(import_module("gevent.event").Event())
        self._watcher = hub.loop.async_()
        self._spare = spare

    def take(self) -> _GeventSignal:
        self._event.clear()
        self._watcher.start(self._event.set)
        return self

    def give(self) -> None:
        self._watcher.send()

    def put_away(self) -> None:
        # One that has begun keeps the hub from seeing that there is nothing left to wait for.
        self._watcher.stop()
        self._spare.append(self)


_spare_signals: WeakKeyDictionary[object, list[_GeventSignal]] = WeakKeyDictionary()


def _take_gevents() -> _GeventSignal:
    hub = import_module("gevent").get_hub()
    spare = _spare_signals.setdefault(hub, [])
    return (spare.pop() if spare else _GeventSignal(hub, spare)).take()


class _EventletSignal(Signal):
    """An event of threads, waited for in one of eventlet's own threads."""

    def __init__(self) -> None:
        super().__init__(_original_threading().Event())

    def wait(self) -> None:
        import_module("eventlet.tpool").execute(self._event.wait)
        self._event.clear()


def _original_threading() -> Any:
    return import_module("eventlet.patcher").original("threading")


class _Library(NamedTuple):
    """A library of greenlets: what it patches Python with, and in what greenlets its code runs."""

    name: str
    patcher: str
    #: Says whether a module is patched; and what it calls `threading`.
    is_patched: str
    threads: str
    #: The module and the class of its greenlets.
    module: str
    greenlet: str

    def has_patched(self, name: str) -> bool:
        patcher = sys.modules.get(self.patcher)
        return patcher is not None and bool(getattr(patcher, self.is_patched)(name))

    def runs_here(self) -> bool:
        """Whether the code here runs in its greenlets, or may as well."""
        if self.name not in sys.modules:
            return False
        if self.has_patched("select"):
            return True
        module = sys.modules.get(self.module)
        return module is not None and _is_beneath(getattr(module, self.greenlet))


_GEVENT = _Library("gevent", "gevent.monkey", "is_module_patched", "threading", "gevent.hub", "Hub")
_EVENTLET = _Library(
    *("eventlet", "eventlet.patcher", "is_monkey_patched", "thread"),
    *("eventlet.greenthread", "GreenThread"),
)


def _patchers() -> frozenset[str]:
    """Return which of the two has put its own in the place of Python's threads."""
    return frozenset(each.name for each in (_GEVENT, _EVENTLET) if each.has_patched(each.threads))


#: Those that had done it before the layer was imported, which then uses theirs throughout.
_BEFORE = _patchers()
_LATE = """\
{name} has patched Python's modules after quart_flask_patch was imported, so this server would wait
for ever. Let the patching come first, before the import of quart_flask_patch, and start with
`flask run`, which imports neither by itself; or serve the application by a server for {name}; or do
without patching, as plain views have threads of their own here.
"""


def late_patching() -> str | None:
    """Return what to say if Python was patched when the layer had begun to use it; else None."""
    late = sorted(_patchers() - _BEFORE)
    return _LATE.format(name=late[0]) if late else None


def _is_beneath(cls: type) -> bool:
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, cls):
            return True
        current = current.parent
    return False
