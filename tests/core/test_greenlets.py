"""Greenlets that are used again: what is kept of a call, and what must not be."""

from __future__ import annotations

import gc
import threading
import weakref
from contextvars import copy_context
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from quart._threads.greenlets import KEPT, ReusableGreenlet


class Some(ReusableGreenlet):
    """One of their own."""


class Other(ReusableGreenlet):
    """Another's."""


class Thing:
    """Something that a weak reference can be made to."""


def call(func: Any, *args: Any, **kwargs: Any) -> Any:
    taken = Some.take(getcurrent().gr_context)
    taken.begin(func, args, kwargs)
    assert taken.ended
    return taken.outcome()


def test_a_greenlet_is_used_again_after_it_returned_and_after_it_raised() -> None:
    first = call(lambda: id(getcurrent()))
    with pytest.raises(ZeroDivisionError):
        call(lambda: 1 / 0)
    assert call(lambda: id(getcurrent())) == first
    assert call(lambda: type(getcurrent())) is Some
    assert type(Other.take(None)) is Other


def test_calls_within_calls_have_greenlets_of_their_own() -> None:
    def outer() -> tuple[Any, Any]:
        return getcurrent(), call(getcurrent)

    one, other = call(outer)
    assert one is not other


def test_nothing_of_a_call_is_kept() -> None:
    def fail(thing: Thing) -> None:
        raise ValueError(thing)

    def use(thing: Thing) -> Thing:
        return thing

    context = copy_context()
    things = [Thing(), Thing(), Thing()]
    gone = [weakref.ref(thing) for thing in things]
    taken = Some.take(context)
    taken.begin(use, (things[0],), {})
    taken.outcome()
    assert taken.gr_context is None
    call(use, thing=things[1])
    with pytest.raises(ValueError, match="Thing"):
        call(fail, things[2])
    things.clear()
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]


def test_a_greenlet_of_somebody_elses_is_not_kept() -> None:
    class Theirs(greenlet):
        """Of eventlet's or gevent's, say."""

    def use() -> Any:
        return call(lambda: type(getcurrent()))

    theirs = Theirs(use)
    gone = weakref.ref(theirs)
    kind = theirs.switch()
    del theirs
    gc.collect()
    assert kind is Some
    assert gone() is None


def test_few_are_kept_after_a_burst() -> None:
    def wait() -> None:
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()

    burst = [Some.take(None) for _ in range(KEPT + 5)]
    seen = [weakref.ref(taken) for taken in burst]
    for taken in burst:
        taken.begin(wait, (), {})
    while burst:
        burst.pop().switch()
    del taken
    gc.collect()
    assert sum(ref() is not None for ref in seen) == KEPT


def test_those_of_a_thread_end_with_it() -> None:
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(weakref.ref(call(getcurrent))))
    thread.start()
    thread.join()
    gc.collect()
    assert seen[0]() is None
