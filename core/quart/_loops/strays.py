"""Tell an exception that is meant for the code of a server from one that has strayed there.

A server expects an Exception of an application, and a cancellation of the task that it made. Others
end more than the connection that raised them: Hypercorn ends with a KeyboardInterrupt, and drops
the other streams of a connection over HTTP/2 for any that is no Exception.
"""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType

from greenlet import GreenletExit

#: Python and its libraries raise these from outside, to end the code that runs.
_FROM_OUTSIDE = KeyboardInterrupt, GeneratorExit, GreenletExit
_THREADS = "quart._threads.worker"


def may_leave(error: BaseException) -> bool:
    """Whether the code of a server may see *error*, which an application's code has raised."""
    if isinstance(error, Exception):
        return True
    if isinstance(error, _FROM_OUTSIDE):
        # A signal ends the main thread, and a loop closes the coroutines that it drops.
        return not _is_from_thread(error.__traceback__)
    return not is_failure(error)


def is_failure(error: BaseException) -> bool:
    """Whether *error* is a fault of the code that raised it, and not the end of the task above."""
    return not isinstance(error, GeneratorExit) and not _is_cancellation(error)


def in_place_of(error: BaseException, what: str) -> RuntimeError:
    """Return an Exception to raise in the place of *error*, which came out of *what*."""
    got = "a call of sys.exit()" if isinstance(error, SystemExit) else type(error).__name__
    failure = RuntimeError(
        f"Expected {what} that returns or raises an Exception, got {got}, which could end the"
        " server. To end it, send its process a signal."
    )
    failure.__cause__ = error
    return failure


def _is_from_thread(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__") == _THREADS:
            return True
        traceback = traceback.tb_next
    return False


def _is_cancellation(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_cancellation, error.exceptions))
    if isinstance(error, asyncio.CancelledError):
        return not is_stray(error)
    trio = sys.modules.get("trio")
    return trio is not None and isinstance(error, trio.Cancelled)


def is_stray(error: BaseException) -> bool:
    """Whether *error* is a cancellation, but not of this task.

    A view raises one if it awaits something that somebody else has cancelled. A server would take
    it for the end of its own task, and leave the client without an answer.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # Trio, or a worker thread: these see only cancellations of their own task.
    return task is not None and not task.cancelling()
