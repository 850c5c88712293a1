"""Flask, on the async core: a `Quart` whose methods are synchronous, with Flask's signatures.

What Flask's own class does without a server (making responses, sending files, templates, test
clients) is Flask's own code. What the pipeline does is the core's pipeline, waited for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from flask.app import Flask as GenuineFlask
from flask.config import Config
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSessionInterface
from flask.templating import Environment
from werkzeug.datastructures import ImmutableDict
from werkzeug.routing import Rule

from quart import _strategy
from quart._plan import step_of
from quart.app import current_context, Quart
from quart.ctx import AppContext as CoreContext
from quart.wrappers import Request as CoreRequest, Websocket

from . import _bridge, _wsgi, ctx as _ctx, wrappers


def _waits(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step of the core's pipeline as a synchronous method."""
    internal = cast(Any, method).step[1]

    @wraps(method)
    def waiting(self: Any, *args: Any, **kwargs: Any) -> Any:
        core = current_context()
        return _strategy.finish(internal(self, core, *args, **kwargs))

    return step_of(internal)(waiting)


def _make_response(app: Any, core: CoreContext | None, result: Any) -> Any:
    return GenuineFlask.make_response(app, result)


class _FlaskMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        # Extensions ask whether they were given an application; a Quart application is one.
        return super().__instancecheck__(instance) or (
            cls is Flask and isinstance(instance, Quart)
        )


class Flask(Quart, GenuineFlask, metaclass=_FlaskMeta):
    """A Flask application that is an ASGI application, and a WSGI application still."""

    config_class = Config
    default_config = ImmutableDict(
        {
            **Quart.default_config,
            **GenuineFlask.default_config,
            # Flask has no such limits.
            "BODY_TIMEOUT": None,
            "RESPONSE_TIMEOUT": None,
            # Where plain views run: "thread" or "loop".
            "SYNC_PLACE": "thread",
        }
    )
    jinja_environment = Environment
    json_provider_class = DefaultJSONProvider
    request_class = wrappers.Request
    response_class = wrappers.Response
    session_interface = SecureCookieSessionInterface()
    test_cli_runner_class = None
    test_client_class = None
    url_rule_class = Rule

    # Flask's own, which Quart's would hide

    create_jinja_environment = GenuineFlask.create_jinja_environment
    get_send_file_max_age = GenuineFlask.get_send_file_max_age
    make_response = step_of(_make_response)(
        wraps(GenuineFlask.make_response)(lambda self, rv: GenuineFlask.make_response(self, rv))
    )
    make_shell_context = GenuineFlask.make_shell_context
    open_instance_resource = GenuineFlask.open_instance_resource
    open_resource = GenuineFlask.open_resource
    send_static_file = GenuineFlask.send_static_file
    test_cli_runner = GenuineFlask.test_cli_runner
    test_client = GenuineFlask.test_client
    test_request_context = GenuineFlask.test_request_context
    update_template_context = GenuineFlask.update_template_context

    # The pipeline's steps, waited for

    dispatch_request = _waits(Quart.dispatch_request)
    do_teardown_appcontext = _waits(Quart.do_teardown_appcontext)
    do_teardown_request = _waits(Quart.do_teardown_request)
    finalize_request = _waits(Quart.finalize_request)
    full_dispatch_request = _waits(Quart.full_dispatch_request)
    handle_exception = _waits(Quart.handle_exception)
    handle_http_exception = _waits(Quart.handle_http_exception)
    handle_user_exception = _waits(Quart.handle_user_exception)
    make_default_options_response = _waits(Quart.make_default_options_response)
    preprocess_request = _waits(Quart.preprocess_request)
    process_response = _waits(Quart.process_response)

    def _prepare(self) -> None:
        processors = self.template_context_processors[None][:]
        super()._prepare()
        # Flask's reads Flask's context variables, and so what its helpers see.
        self.template_context_processors[None] = processors

    def _add_static_route(self, static_host: str | None, host_matching: bool) -> None:
        """Flask's own constructor has added it."""

    # Being called

    def __call__(self, *args: Any) -> Any:
        """Be an ASGI application, or called with two arguments a WSGI one."""
        if len(args) == 2:
            return self.wsgi_app(*args)
        return super().__call__(*args)

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a WSGI call; ``app.wsgi_app = Middleware(app.wsgi_app)`` wraps it."""
        return _wsgi.wsgi_app(self, environ, start_response)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: Any,
    ) -> None:
        """Serve the application on hypercorn, for development, until interrupted."""
        if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
            return
        from .cli import serve

        serve(self, host, port, debug, load_dotenv, **options)

    # Contexts

    def app_context(self) -> Any:
        return _ctx.AppContext(self)

    def request_context(self, environ: dict[str, Any]) -> Any:
        return _ctx.RequestContext(self, environ)

    def _context_for(self, connection: CoreRequest | Websocket) -> CoreContext:
        core = CoreContext(
            self,
            **{"websocket" if isinstance(connection, Websocket) else "request": connection},
        )
        if _wsgi.came_as_wsgi(connection.scope):
            # The caller's thread is the request's own already.
            core.place = "loop"
        return core

    @property
    def _connection_class(self) -> type[CoreRequest]:
        return CoreRequest

    @property
    def _flask_request_class(self) -> Any:
        return self.request_class

    def _face_of(self, core: CoreContext) -> Any:
        return wrappers.face_of(core)

    def _propagates(self, core: CoreContext) -> bool:
        propagate = self.config["PROPAGATE_EXCEPTIONS"]
        if propagate is not None:
            return bool(propagate)
        # Behind a WSGI call there is Flask's client, or a debugger, that wants the error itself.
        connection = core.connection
        as_wsgi = connection is not None and _wsgi.came_as_wsgi(connection.scope)
        return self.testing or (self.debug and as_wsgi)

    # How functions are called

    def async_to_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the async *func* as a function that waits for its result."""

        @wraps(func)
        def waiting(*args: Any, **kwargs: Any) -> Any:
            return _bridge.wait(func(*args, **kwargs))

        return waiting


