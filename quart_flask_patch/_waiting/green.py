"""Notice the greenlets of gevent and eventlet, and wait among them.

Greenlets share a thread. An event loop that one of them runs is, to asyncio, the running loop of
all of them. So no loop is run in such a thread, and code that waits for another thread lets the
other greenlets run.
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
    """Lets others wake one waiting thread or greenlet, again and again."""

    def __init__(self, event: Any = None) -> None:
        self._event = threading.Event() if event is None else event

    def give(self) -> None:
        """Wake the waiting code; call it from any thread, even if nothing waits any more."""
        self._event.set()

    def wait(self) -> None:
        """Wait until somebody calls `give`. It may return early, so check what you wait for."""
        self._event.wait()
        self._event.clear()

    def put_away(self) -> None:
        """Call this when you have finished waiting; the signal may be used again."""


def start_thread(func: Callable[[], None], name: str) -> None:
    """Run *func* in a real thread, even where threads are patched to be greenlets."""
    if _GEVENT.runs_here():
        monkey = import_module("gevent.monkey")
        monkey.get_original("_thread", "start_new_thread")(func, ())
    else:
        threads = _original_threading() if _EVENTLET.runs_here() else threading
        threads.Thread(target=func, name=name, daemon=True).start()


def make_signal() -> Signal:
    """Return the signal that this thread or greenlet can wait for."""
    if _GEVENT.runs_here():
        return _take_gevents()
    return _EventletSignal() if _EVENTLET.runs_here() else Signal()


def is_green() -> bool:
    """Whether other greenlets may run in this thread while this one waits."""
    return _GEVENT.runs_here() or _EVENTLET.runs_here()


class _GeventSignal(Signal):
    """Made of gevent's async watcher, the one object of it that another thread may use.

    It is used again and never closed, since another thread may be about to call `give` once more.
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
        # A started watcher would keep gevent's hub from noticing that there is nothing left to wait
        # for.
        self._watcher.stop()
        self._spare.append(self)


_spare_signals: WeakKeyDictionary[object, list[_GeventSignal]] = WeakKeyDictionary()


def _take_gevents() -> _GeventSignal:
    hub = import_module("gevent").get_hub()
    spare = _spare_signals.setdefault(hub, [])
    return (spare.pop() if spare else _GeventSignal(hub, spare)).take()


class _EventletSignal(Signal):
    """A real thread's event; one of eventlet's own threads waits for it."""

    def __init__(self) -> None:
        super().__init__(_original_threading().Event())

    def wait(self) -> None:
        import_module("eventlet.tpool").execute(self._event.wait)
        self._event.clear()


def _original_threading() -> Any:
    return import_module("eventlet.patcher").original("threading")


class _Library(NamedTuple):
    """How to recognise a library of greenlets: its patches of Python, and its greenlets."""

    name: str
    patcher: str
    #: The patcher's function that says whether a module is patched; its name for `threading`.
    is_patched: str
    threads: str
    #: The module and the class of the greenlets that its code runs in.
    module: str
    greenlet: str

    def has_patched(self, name: str) -> bool:
        patcher = sys.modules.get(self.patcher)
        return patcher is not None and bool(getattr(patcher, self.is_patched)(name))

    def runs_here(self) -> bool:
        """Whether this code runs in its greenlets, or could."""
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
    """Return which of the two libraries has patched Python's threads."""
    return frozenset(each.name for each in (_GEVENT, _EVENTLET) if each.has_patched(each.threads))


#: Those that patched before the layer was imported; the layer then uses their threads throughout.
_BEFORE = _patchers()
_LATE = """\
{name} has patched Python's modules after quart_flask_patch was imported, so this server would wait
for ever. Let the patching come first, before the import of quart_flask_patch, and start with
`flask run`, which imports neither by itself; or serve the application by a server for {name}; or do
without patching, as plain views have threads of their own here.
"""


def late_patching() -> str | None:
    """Return an error message if Python was patched after the layer was imported, else None."""
    late = sorted(_patchers() - _BEFORE)
    return _LATE.format(name=late[0]) if late else None


def _is_beneath(cls: type) -> bool:
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, cls):
            return True
        current = current.parent
    return False
