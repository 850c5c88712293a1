"""Let Flask's commands be ``async def``."""

from __future__ import annotations

from functools import wraps

from flask.cli import AppGroup as GenuineAppGroup

from quart._threads.strategy import is_async
from quart._types import Function

from . import genuine
from ._waiting import bridge


def _waiting(func: Function) -> Function:
    """Return *func* as a plain function; click would drop the coroutine of an async one."""
    if not is_async(func):
        return func

    @wraps(func)
    def command(*args: object, **kwargs: object) -> object:
        return bridge.wait(func(*args, **kwargs))

    # Code that looks through decorators must not take this for an async function.
    del command.__wrapped__
    return command


@wraps(genuine.with_appcontext)
def with_appcontext(f: Function) -> Function:
    return genuine.with_appcontext(_waiting(f))


class AppGroup(GenuineAppGroup):
    """A group of commands, which may be ``async def`` with or without an application's context."""

    def command(self, *args: object, **kwargs: object) -> Function:  # type: ignore[override]
        add = super().command(*args, **kwargs)
        return lambda func: add(_waiting(func))

    def group(self, *args: object, **kwargs: object) -> Function:  # type: ignore[override]
        kwargs.setdefault("cls", AppGroup)
        return super().group(*args, **kwargs)
