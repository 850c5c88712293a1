"""Recover the StopIteration that plain code has raised.

Python turns a StopIteration that leaves a coroutine's or a generator's frame into a RuntimeError.
Plain functions are called from such frames here, and to raise a StopIteration is no fault of
theirs.
"""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)

_OURS = ("quart", "quart_flask_patch")


def as_raised(error: E) -> E | StopIteration:
    """Return the StopIteration that became *error* in a frame of ours, or *error* itself.

    If a user's own coroutine has raised it, it stays a RuntimeError, as it is wherever you await
    that.
    """
    cause = error.__cause__
    if type(error) is not RuntimeError or not isinstance(cause, StopIteration):
        return error
    traceback = cause.__traceback__
    if traceback is None:
        return error
    module: str = traceback.tb_frame.f_globals.get("__name__", "")
    return cause if module.partition(".")[0] in _OURS else error


def raise_again(error: BaseException) -> None:
    """If *error* was a StopIteration before it left a coroutine of ours, raise that."""
    raised = as_raised(error)
    if raised is not error:
        raise raised from None
