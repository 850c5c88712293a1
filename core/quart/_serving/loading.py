"""Know whether a command is loading the application; ``app.run()`` then does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_loading: ContextVar[bool] = ContextVar("quart.cli.loading", default=False)


@contextmanager
def loading_app() -> Iterator[None]:
    """Mark the block in which a command loads an application."""
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


def is_loading_app() -> bool:
    """Whether a command is importing the caller's module."""
    return _loading.get()
