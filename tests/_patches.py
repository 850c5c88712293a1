"""Replace methods as tools do, in each way, and put them back; each calls the original."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import wrapt


def by_function(owner: Any, name: str, note: Callable[[], None]) -> Any:
    original = getattr(owner, name)

    def replacement(*args: Any, **kwargs: Any) -> Any:
        note()
        return original(*args, **kwargs)

    return replacement


def by_wraps(owner: Any, name: str, note: Callable[[], None]) -> Any:
    return functools.wraps(getattr(owner, name))(by_function(owner, name, note))


def by_wrapt(owner: Any, name: str, note: Callable[[], None]) -> Any:
    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        note()
        return wrapped(*args, **kwargs)

    return wrapt.FunctionWrapper(static(owner, name), wrapper)


def by_mock(owner: Any, name: str, note: Callable[[], None]) -> Any:
    patch = mock.patch.object(owner, name, autospec=True)
    original = getattr(owner, name)
    with patch as replacement:
        pass

    call = by_function(owner, name, note)

    async def call_async(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    replacement.side_effect = call_async if inspect.iscoroutinefunction(original) else call
    return replacement


WAYS: dict[str, Callable[[Any, str, Callable[[], None]], Any]] = {
    "function": by_function,
    "wraps": by_wraps,
    "wrapt": by_wrapt,
    "mock": by_mock,
}


def static(owner: Any, name: str) -> Any:
    """Return the attribute *name* of a class, unbound."""
    return next(vars(cls)[name] for cls in owner.__mro__ if name in vars(cls))


@contextmanager
def patched(owner: Any, name: str, way: str) -> Iterator[list[str]]:
    """Replace the method *name* of the class *owner*; yield the list of its calls."""
    calls: list[str] = []
    had, before = name in vars(owner), static(owner, name)
    setattr(owner, name, WAYS[way](owner, name, lambda: calls.append(name)))
    try:
        yield calls
    finally:
        if had:
            setattr(owner, name, before)
        else:
            delattr(owner, name)
