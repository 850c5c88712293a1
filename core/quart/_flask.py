"""Every use of Flask's private names, and whatever Flask 3.1 and 3.2 have in different shapes.

The core and the layer ask here, so that they work with either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TYPE_CHECKING

from flask import ctx, globals as flask_globals
from flask.ctx import _AppCtxGlobals as _AppCtxGlobals
from flask.globals import _cv_app as flask_cv_app
from flask.helpers import _split_blueprint_path
from flask.sansio.app import App
from flask.sansio.blueprints import Blueprint as SansioBlueprint
from flask.sansio.scaffold import _sentinel as UNSET, setupmethod as setupmethod
from flask.templating import _default_template_ctx_processor as flask_context_processor

if TYPE_CHECKING:
    from flask.json.provider import JSONProvider
    from flask.sansio.scaffold import Scaffold

__all__ = [
    "HAS_ONE_CONTEXT",
    "STAGES_WITH_CONTEXT",
    "UNSET",
    "BlueprintBase",
    "FlaskRequestContext",
    "SetUpAtAnyTime",
    "_AppCtxGlobals",
    "find_error_handler",
    "flask_context_processor",
    "flask_cv_app",
    "flask_cv_request",
    "has_served",
    "ignores_error",
    "json_provider",
    "mark_served",
    "replace_default_context_processor",
    "setupmethod",
    "split_blueprint_path",
]

#: Whether a request's context is its application's too, as since Flask 3.2, or one of two.
#: With one, an application context around a request is not reused for it, the pipeline's stages
#: have a context as first argument, and what teardown functions raise is always a group.
HAS_ONE_CONTEXT = "RequestContext" not in vars(ctx)
#: Where Flask looks for the request: in a variable of its own, or in that of the one context.
flask_cv_request: ContextVar[Any] = (
    flask_cv_app if HAS_ONE_CONTEXT else vars(flask_globals)["_cv_request"]
)

#: The methods of an application that have a context as first argument, if there is one context.
STAGES_WITH_CONTEXT = (
    "dispatch_request",
    "do_teardown_appcontext",
    "do_teardown_request",
    "finalize_request",
    "full_dispatch_request",
    "handle_exception",
    "handle_http_exception",
    "handle_user_exception",
    "log_exception",
    "make_default_options_response",
    "preprocess_request",
    "process_response",
)

#: Flask's class of a request's context: with one context, that of all.
FlaskRequestContext: object = ctx.AppContext if HAS_ONE_CONTEXT else ctx.RequestContext

split_blueprint_path: Callable[[str], list[str]] = _split_blueprint_path


def find_error_handler(
    app: App, error: Exception, blueprints: Sequence[str]
) -> Callable[[Any], object] | None:
    return app._find_error_handler(error, list(blueprints))


def ignores_error(app: App, error: BaseException) -> bool:
    """Whether teardown functions are not to hear of *error*; Flask 3.2 does not ask any more."""
    ask = getattr(app, "should_ignore_error", None)
    return ask is not None and bool(ask(error))


def mark_served(app: App, served: bool = True) -> None:
    """From now on the application refuses set-up calls, as Flask does after its first request."""
    app._got_first_request = served


def has_served(app: App) -> bool:
    return app._got_first_request


def json_provider() -> JSONProvider | None:
    """Return the provider through which `flask.json` goes; None if that is plain `json`."""
    current: Any = flask_cv_app.get(None)
    return None if current is None else current.app.json


def replace_default_context_processor(scaffold: Scaffold, processor: Callable[[], Any]) -> None:
    """Put *processor* where Flask's scaffold has the one that reads Flask's context variables."""
    scaffold.template_context_processors[None][0] = processor


class SetUpAtAnyTime(App):
    """An application that takes routes and hooks after its first request too, as Quart does."""

    #: Whether it refuses them instead, as Flask does.
    refuses_late_setup = False

    def _check_setup_finished(self, f_name: str) -> None:
        if self.refuses_late_setup:
            super()._check_setup_finished(f_name)


class BlueprintBase(SansioBlueprint):
    """A blueprint that may have more dicts of hooks than Flask's."""

    def merge_hooks(self, app: object, name: str) -> None:
        """Add this blueprint's own hooks to *app*; *name* is the name it is registered under."""

    def _merge_blueprint_funcs(self, app: App, name: str) -> None:
        super()._merge_blueprint_funcs(app, name)
        self.merge_hooks(app, name)
