"""Whether a command is loading the application, so that a call of ``app.run()`` is not meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_loading: ContextVar[bool] = ContextVar("quart.cli.loading", default=False)


@contextmanager
def loading_app() -> Iterator[None]:
    """While an app is loaded, a call of ``app.run()`` in its module is not meant."""
    token = _loading.set(True)
    try:
        yield
    finally:
        _loading.reset(token)


def is_loading_app() -> bool:
    """Whether a command is importing the module that asks."""
    return _loading.get()
