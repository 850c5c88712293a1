"""Methods in the place of the application's own, with the signatures of any release.

Flask 3.1's have no context among their arguments; those of Flask 3.2 and Quart 0.23 have it first.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .._frames import folded
from .._types import Function

if TYPE_CHECKING:
    from types import TracebackType

    from ..app import Quart
    from ..ctx import AppContext


def wants_context(method: Function) -> bool:
    """Whether *method*, as it is called, expects a context before its other arguments.

    As Flask tells it: the first argument is named ``ctx``, or its annotation is `AppContext`.
    """
    try:
        first = next(iter(inspect.signature(method).parameters.values()), None)
    except (TypeError, ValueError):  # It has no signature.
        return False
    if first is None:
        return False
    annotation = first.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return first.name == "ctx" or name.rpartition(".")[2] == "AppContext"


def log_exception(
    app: Quart, ctx: AppContext | None, error: BaseException, traceback: TracebackType | None
) -> object:
    """Have *app* log what was raised in *ctx*, or outside of any."""
    log: Function = app.log_exception
    if app.config.get("FOLD_TRACEBACKS", True):
        traceback = folded(traceback)
    exc_info = type(error), error, traceback
    if not wants_context(log):
        return log(exc_info)
    return log(app.app_context() if ctx is None else app._context_face_of(ctx), exc_info)
