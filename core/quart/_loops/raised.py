"""What plain code has raised, StopIteration included.

Python turns a StopIteration that leaves the frame of a coroutine, or of a generator, into a
RuntimeError. Plain functions are called from such frames here, and theirs is no fault in one.
"""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)

#: What ends a function by itself, as opposed to a cancellation.
ENDINGS = (Exception, SystemExit, KeyboardInterrupt)
_OURS = ("quart", "quart_flask_patch")


def as_raised(error: E) -> E | StopIteration:
    """Return the StopIteration that became *error* in a frame of ours, or *error* itself.

    In a coroutine of somebody else's it became that wherever that one may be awaited.
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
    """Raise what has become *error* on its way out of coroutines, into plain code, if it has."""
    raised = as_raised(error)
    if raised is not error:
        raise raised from None
