"""Small tools without a home: threads, headers, tasks, reloading."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextvars import copy_context as copy_context
from functools import wraps
from inspect import isgenerator
from pathlib import Path
from typing import Any, overload, ParamSpec, TYPE_CHECKING, TypeVar

from werkzeug.datastructures import Headers as Headers

from ._formats.headers import decode_headers as decode_headers, encode_headers as encode_headers
from ._threads.lease import call
from ._types import CoroutineOf
from .typing import FilePath

if TYPE_CHECKING:
    from .typing import Event

P = ParamSpec("P")
T = TypeVar("T")

_END: Any = object()
_PATH = type(Path())


class MustReloadError(Exception):
    """A source file has changed, so the process must be started again."""


def file_path_to_path(*paths: FilePath) -> Path:
    """Join *paths*, each of which may be bytes, into one `Path`."""
    if len(paths) == 1 and type(path := paths[0]) is _PATH:
        return path
    return Path(*map(os.fsdecode, paths))


@overload
def run_sync(
    func: Callable[P, Generator[T, Any, object]],
) -> Callable[P, CoroutineOf[AsyncIterator[T]]]: ...


@overload
def run_sync(func: Callable[P, T]) -> Callable[P, CoroutineOf[T]]: ...


def run_sync(func: Callable[P, object]) -> Callable[P, CoroutineOf[Any]]:
    """Return a coroutine function that runs the plain *func* in a worker thread.

    Within a request that is the request's own thread. Context variables are shared with the
    caller. If *func* returns a generator, the result is an async generator that steps it there.
    """

    @wraps(func)
    async def in_thread(*args: P.args, **kwargs: P.kwargs) -> object:
        result = await call(func, *args, **kwargs)
        return run_sync_iterable(result) if isgenerator(result) else result

    return in_thread


async def run_sync_iterable(iterable: Iterator[T]) -> AsyncIterator[T]:
    """Iterate over a plain iterator, each step in a worker thread.

    Closing the result early closes *iterable* too, in the thread.
    """
    try:
        # `StopIteration` cannot leave a coroutine, so a value marks the end.
        while (item := await call(next, iterable, _END)) is not _END:
            yield item
    finally:
        if (close := getattr(iterable, "close", None)) is not None:
            await call(close)


async def cancel_tasks(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel *tasks*, wait until they have ended, and raise what any of them raised instead."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    raise_task_exceptions(tasks)


def raise_task_exceptions(tasks: set[asyncio.Task[Any]]) -> None:
    """Raise the exception of one of the finished *tasks*, if there is one."""
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def observe_changes(
    sleep: Callable[[float], Awaitable[object]], shutdown_event: Event
) -> None:
    """Look once a second whether a file of an imported module has changed, until the event is set.

    Raises:
        MustReloadError: when a file has been changed or deleted.
    """
    from ._serving.reloader import Watcher

    watcher = Watcher()
    while not shutdown_event.is_set():
        if watcher.changed():
            raise MustReloadError("A source file has changed; start the process again.")
        await sleep(1)


def run_reloader() -> int:
    """Run this command as a child process, and again each time the child asks for it.

    The child finds `QUART_RUN_MAIN` set, and asks by ending with exit code 3. Returns the exit code
    it ended with otherwise.
    """
    from ._serving.reloader import supervise

    return supervise()


def restart() -> None:
    """Replace this process by one that runs the same command. Only for development."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
