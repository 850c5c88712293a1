"""All uses of Flask's private names, and all differences between Flask 3.1 and 3.2.

The core and the layer take them from here, so that they work with either release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from inspect import signature
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
    "REDIRECT",
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

#: Whether a request's context is also its application's context, as in Flask 3.2; Flask 3.1 has
#: two. With one, a request does not reuse an application context around it, the pipeline's stages
#: take a context as first argument, and errors of teardown functions are always raised as a group.
HAS_ONE_CONTEXT = "RequestContext" not in vars(ctx)
#: The variable in which Flask looks for the request: its own, or that of the one context.
flask_cv_request: ContextVar[Any] = (
    flask_cv_app if HAS_ONE_CONTEXT else vars(flask_globals)["_cv_request"]
)

#: The application's methods that take a context as first argument, if there is one context.
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

#: The status of a redirect that names none: 302, and 303 since Flask 3.2.
REDIRECT: int = signature(App.redirect).parameters["code"].default

#: Flask's class for a request's context; with one context, the class for all.
FlaskRequestContext: object = ctx.AppContext if HAS_ONE_CONTEXT else ctx.RequestContext

split_blueprint_path: Callable[[str], list[str]] = _split_blueprint_path


def find_error_handler(
    app: App, error: Exception, blueprints: Sequence[str]
) -> Callable[[Any], object] | None:
    return app._find_error_handler(error, list(blueprints))


def ignores_error(app: App, error: BaseException) -> bool:
    """Whether to hide *error* from teardown functions; Flask 3.2 never does."""
    ask = getattr(app, "should_ignore_error", None)
    return ask is not None and bool(ask(error))


def mark_served(app: App, served: bool = True) -> None:
    """Make the application refuse set-up calls from now on, as Flask does after a first request."""
    app._got_first_request = served


def has_served(app: App) -> bool:
    return app._got_first_request


def json_provider() -> JSONProvider | None:
    """Return the provider that `flask.json` uses, or None if it uses plain `json`."""
    current: Any = flask_cv_app.get(None)
    return None if current is None else current.app.json


def replace_default_context_processor(scaffold: Scaffold, processor: Callable[[], Any]) -> None:
    """Replace the processor of Flask's scaffold that reads Flask's context variables."""
    scaffold.template_context_processors[None][0] = processor


class SetUpAtAnyTime(App):
    """An application that takes routes and hooks after its first request too, as Quart does."""

    #: Whether it refuses them after the first request, as Flask does.
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
