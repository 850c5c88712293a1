"""Call methods that an application overrides, with the signatures of any release.

Flask 3.1's methods take no context. Those of Flask 3.2 and Quart 0.23 take one as the first
argument.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .._flask import HAS_ONE_CONTEXT
from .._frames import folded
from .._types import Function

if TYPE_CHECKING:
    from types import TracebackType

    from ..app import Quart
    from ..ctx import AppContext


def wants_context(method: Function) -> bool:
    """Whether *method*, bound, expects a context before its other arguments.

    It does, by Flask's own rule, if the first argument is named ``ctx`` or annotated `AppContext`.
    """
    try:
        first = next(iter(inspect.signature(method).parameters.values()), None)
    except (TypeError, ValueError):  # The method has no signature.
        return False
    if first is None:
        return False
    annotation = first.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return first.name == "ctx" or name.rpartition(".")[2] == "AppContext"


def log_exception(
    app: Quart, ctx: AppContext | None, error: BaseException, traceback: TracebackType | None
) -> object:
    """Have *app* log an error that was raised in *ctx*, or outside of any context."""
    log: Function = app.log_exception
    if app.config.get("FOLD_TRACEBACKS", True):
        traceback = folded(traceback)
    exc_info = type(error), error, traceback
    return log(_face(app, ctx), exc_info) if wants_context(log) else log(exc_info)


def update_template_context(
    app: Quart, ctx: AppContext | None, context: dict[str, object]
) -> object:
    """Have *app* add its values to a template's *context*; the result may be awaitable."""
    update: Function = app.update_template_context
    if HAS_ONE_CONTEXT and wants_context(update):
        return update(_face(app, ctx), context)
    return update(context)


def _face(app: Quart, ctx: AppContext | None) -> object:
    """Return *ctx* as the methods of *app* know it, or a new context if there is none."""
    return app.app_context() if ctx is None else app._context_face_of(ctx)
