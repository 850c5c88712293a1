"""Flask on the async core: a `Quart` whose methods are synchronous, with Flask's signatures.

What needs no server (making responses, sending files, templates, test clients) is Flask's own code.
What the pipeline does is the core's pipeline; plain code waits for it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial, wraps
from inspect import iscoroutine, Signature, signature
from typing import Any, cast, ClassVar, TYPE_CHECKING

from flask import app as flask_app, sessions
from flask.config import Config
from flask.ctx import has_request_context
from flask.globals import request
from werkzeug.datastructures import EnvironHeaders, ImmutableDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect, Rule

from quart._application.stage_methods import connected_context, current_context
from quart._flask import flask_context_processor, HAS_ONE_CONTEXT
from quart._handling.responses import unawaited
from quart._handling.stage import internal_of, stage_of
from quart._handling.teardown import do_teardown_appcontext
from quart._kind import Kind, REQUEST
from quart._stock import Stock
from quart._threads import pool, strategy
from quart._types import Environ, Function, Receive, Result, Scope, Send, StartResponse
from quart.app import Quart
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.ctx import AppContext as CoreContext
from quart.routing import BINDING
from quart.sessions import asked_for_late, Late, PreparedCookies
from quart.wrappers import Request as CoreRequest, Response as CoreResponse, Websocket
from quart.wrappers.request import CLOSES_FILES

from . import _guards, ctx as _ctx, wrappers
from ._announcement import announce
from ._commands import AppGroup
from ._defaults.answers import in_flask
from ._defaults.json import DefaultJSONProvider
from ._defaults.templating import Environment
from ._entry import CalledByServers, Entry
from ._environs import translation
from ._environs.takeover import TAKEOVER, Takeover
from ._old_signatures import OldSignatures
from ._requests import matched
from ._waiting import bridge
from .genuine import Flask as GenuineFlask


def _waits(method: Function) -> Function:
    """Return a stage of the core's pipeline as a synchronous method with Flask's signature."""
    internal: Any = internal_of(method)
    flasks = getattr(GenuineFlask, method.__name__)
    # Flask 3.2 has a context as the first argument; here you may leave it out.
    parameters = [p for p in signature(flasks).parameters.values() if p.name != "ctx"]
    shape = Signature(parameters)
    of_application = internal is do_teardown_appcontext
    find_context = current_context if of_application else connected_context

    @wraps(flasks)
    def waiting(self: object, *args: object, **kwargs: object) -> object:
        core = _ctx.core_of(args[0]) if args else None
        if core is not None:
            args = args[1:]
        elif "ctx" in kwargs:
            core = _ctx.core_of(kwargs.pop("ctx"))
        if core is None:
            core = find_context()
        elif not core.is_pushed:
            core.find_plan()
        if kwargs:
            # The caller uses Flask's names of the arguments, and the core has others.
            args = shape.bind(self, *args, **kwargs).args[1:]
        return strategy.wait_for(internal(self, core, *args))

    return stage_of(internal)(waiting)


_WITHOUT_ENVIRON = (HTTPException.get_response, RequestRedirect.get_response)
_CALLING = Stock(HTTPException, "__call__")


def _make_response(app: Any, core: CoreContext | None, result: Result) -> Result:
    """Make a Flask response from what a view returned, which may be an async generator."""
    if isinstance(result, (str, bytes)):
        return wrappers.whole_response(app.response_class, result)
    if isinstance(result, (dict, list)):
        return app.json.response(result)
    body = result[0] if isinstance(result, tuple) and result else result
    if iscoroutine(body):
        raise unawaited(core, body)
    body = _flask_body(app, body)
    result = (body, *result[1:]) if isinstance(result, tuple) and result else body
    return GenuineFlask.make_response(app, result)


def _flask_body(app: Any, body: Result) -> Result:
    if isinstance(body, CoreResponse):
        return wrappers.response_of(app, body)
    if isinstance(body, HTTPException):
        if not (wrappers.FORCING.of(app.response_class) and _CALLING.of(type(body))):
            return body
        # What calling it as WSGI would give, in one piece. Make the environ only if it is needed.
        if type(body).get_response in _WITHOUT_ENVIRON or not has_request_context():
            return body.get_response()
        return body.get_response(request.environ)
    return wrappers.SyncStream(body) if hasattr(body, "__aiter__") else body


if TYPE_CHECKING:
    from ._typed import Served

    # A type checker sees Flask with Flask's signatures, and the methods of `Served`.
    class _Core(Served):
        _ensuring: ClassVar[Stock]
        _url_adapters: ClassVar[Stock]
        _wsgi_apps: ClassVar[Stock]
        _wsgi_ways: ClassVar[Stock]
        _context_makers: ClassVar[Stock]

        def _connection_at_once(self) -> type[ASGIHTTPConnection] | None: ...
        def _websocket_at_once(self) -> type[ASGIWebsocketConnection] | None: ...
        async def _serve_connection(self, scope: Scope, receive: Receive, send: Send) -> None: ...
else:
    _Core = Quart


class _FlaskMeta(CalledByServers):
    def __instancecheck__(cls, instance: object) -> bool:
        # Extensions check `isinstance(app, Flask)`; a Quart application passes.
        if super().__instancecheck__(instance):
            return True
        return vars(cls).get("_stands_for_flask", False) and isinstance(instance, Quart)


class SecureCookieSessionInterface(PreparedCookies, sessions.SecureCookieSessionInterface):
    """Flask's default, with everything prepared that all sessions share."""

    opens_lazily: ClassVar[Late]
    open_session: Any = PreparedCookies._open
    save_session: Any = PreparedCookies._save


SecureCookieSessionInterface.opens_lazily = asked_for_late(SecureCookieSessionInterface)


class Flask(OldSignatures, _Core, GenuineFlask, metaclass=_FlaskMeta):
    """A Flask application that is an ASGI application, and still a WSGI application."""

    #: Whether this class takes the place of `flask.Flask`; then `isinstance` takes `Quart` objects.
    _stands_for_flask = True
    config_class = Config
    default_config = ImmutableDict(
        {
            **Quart.default_config,
            **GenuineFlask.default_config,
            # The seconds in which a response must be sent. Flask has no such limit.
            "RESPONSE_TIMEOUT": None,
            # Where async views run: "loop" or "own-loop".
            "ASYNC_PLACE": "loop",
            # Where plain views run: "thread" or "loop".
            "SYNC_PLACE": "thread",
            # Whether request hooks run before `@app.websocket` handlers too.
            "WEBSOCKET_REQUEST_HOOKS": True,
        }
    )
    refuses_late_setup = True
    _reuses_app_context = not HAS_ONE_CONTEXT
    _groups_single_errors = HAS_ONE_CONTEXT
    _cli_class = AppGroup
    # Flask's own reads Flask's context variables, as Flask's helpers do.
    _context_processor = staticmethod(flask_context_processor)
    jinja_environment = Environment
    json_provider_class = DefaultJSONProvider
    request_class = wrappers.Request
    response_class = wrappers.Response
    session_interface = SecureCookieSessionInterface()
    test_cli_runner_class = None
    test_client_class = None
    url_rule_class = Rule

    # Flask's own methods, which Quart's would hide

    create_url_adapter = GenuineFlask.create_url_adapter
    create_jinja_environment = GenuineFlask.create_jinja_environment
    ensure_sync = GenuineFlask.ensure_sync
    get_send_file_max_age = GenuineFlask.get_send_file_max_age
    make_response: Any = stage_of(_make_response)(
        wraps(GenuineFlask.make_response)(lambda self, rv: _make_response(self, None, rv))
    )
    make_shell_context = GenuineFlask.make_shell_context
    open_instance_resource = GenuineFlask.open_instance_resource
    open_resource = GenuineFlask.open_resource
    run = GenuineFlask.run
    send_static_file = GenuineFlask.send_static_file
    test_cli_runner = GenuineFlask.test_cli_runner
    test_client = GenuineFlask.test_client
    test_request_context = GenuineFlask.test_request_context
    update_template_context = GenuineFlask.update_template_context
    url_for = GenuineFlask.url_for

    # The pipeline's stages, as methods that wait

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

    def _add_static_route(self, static_host: str | None, host_matching: bool) -> None:
        """Do nothing: Flask's own constructor has added the route."""

    # Calls by servers

    __call__: Any = Entry()

    def _connection_at_once(self) -> type[ASGIHTTPConnection] | None:
        at_once = super()._connection_at_once()
        if at_once is None or not self._has_wsgi_middleware("http"):
            return at_once
        from ._wsgi.middleware import connection_class_behind

        return connection_class_behind(self)

    def _websocket_at_once(self) -> type[ASGIWebsocketConnection] | None:
        return None  # Plain code may take one over.

    def _has_wsgi_middleware(self, scope_type: str) -> bool:
        """Whether something wraps `wsgi_app`; for requests, also whether `__call__` is replaced."""
        if scope_type == "http":
            # An overridden `request_context` needs an environ, just as middleware does.
            return type(self).replaced_call is not None or not self._wsgi_ways.within(self)
        return scope_type != "lifespan" and not self._wsgi_apps.within(self)

    async def _serve_connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection, through the middleware around `wsgi_app` if there is any."""
        if scope["type"] == "lifespan":
            announce(self)
        wrapped = self._has_wsgi_middleware(scope["type"])
        if scope["type"] == "websocket" and TAKEOVER not in scope:
            await self._serve_websocket(scope, receive, send)
        elif wrapped and translation.environ_given(scope) is None:
            from ._wsgi import middleware

            serve = middleware.serve if scope["type"] == "http" else middleware.serve_websocket
            await serve(self, scope, receive, send)
        else:
            await super()._serve_connection(scope, receive, send)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a websocket that plain code may take over."""
        takeover = Takeover(receive, send, partial(pool.lend_thread, self))
        scope = {**scope, TAKEOVER: takeover}
        await takeover.watched(self._serve_connection(scope, takeover.receive, takeover.send))

    def wsgi_app(self, environ: Environ, start_response: StartResponse) -> Any:
        """Answer a WSGI call; ``app.wsgi_app = Middleware(app.wsgi_app)`` wraps it."""
        from ._wsgi.called import wsgi_app

        return wsgi_app(self, environ, start_response)

    # Contexts

    @property
    def _core_app(self) -> Any:
        """The application that contexts are made for; a `QuartFace` names the one behind it."""
        return self

    def app_context(self) -> Any:
        return _ctx.AppContext(self)

    def request_context(self, environ: Environ) -> Any:
        return _ctx.request_context(self, environ)

    def _context_of(self, request: CoreRequest, environ: Environ | None) -> CoreContext:
        if environ is None or self._context_makers.within(self):
            return CoreContext(self._core_app, request)
        return _ctx.made_by(self, request, environ)

    def _context_for(self, connection: CoreRequest | Websocket) -> CoreContext:
        environ = translation.environ_given(connection.scope)
        if environ is not None and type(connection.headers) is not EnvironHeaders:
            connection.headers = EnvironHeaders(environ)
        if isinstance(connection, Websocket):
            core = CoreContext(self._core_app, connection)
            core.wanted_place = translation.WEBSOCKET
            return core
        core = self._context_of(connection, environ)
        if environ is None:
            return core
        scope: Any = connection.scope
        if (pending := scope.get(translation.PENDING)) is not None:
            core.borrow(pending.lease)
            core.wanted_place = (
                None if translation.EXCHANGED in scope else translation.BEHIND_MIDDLEWARE
            )
        elif translation.called_as_wsgi(scope):
            # The request runs in its caller's thread.
            core.wanted_place = "loop" if translation.EXCHANGED in scope else translation.CALLED
        return core

    def _response_for_session(self) -> object:
        # Session interfaces for Flask expect a response. What they set on this one is dropped.
        return self.response_class()

    def _kind_for(self, kind: Kind, endpoint: str | None) -> Kind:
        return kind if kind is REQUEST else _guards.kind_for(cast(Any, self), endpoint)

    @property
    def _connection_class(self) -> type[CoreRequest]:
        return matched.connection_class_for(self.request_class)

    @property
    def _flask_request_class(self) -> object:
        return self.request_class

    def _trusted_hosts(self, request: Any) -> list[str] | None:
        hosts = Quart._trusted_hosts(self, request)  # type: ignore[arg-type]  # it has what this reads
        # *request* is the async face, but subclasses that set `trusted_hosts` are Flask's.
        return self.request_class.trusted_hosts if hosts is None else hosts

    @property
    def _makes_requests_late(self) -> bool:
        # A class that makes them in its own way may change the environ that is matched.
        return wrappers.MAKING.of(self.request_class) and not matched.computes(self.request_class)

    def _url_adapter_for(self, core: CoreContext) -> MapAdapter | None:
        connection = core.connection
        if (
            (connection is None or translation.environ_given(connection.scope) is None)
            and self._url_adapters.within(self)
            and BINDING.within(self.url_map)
            and self._makes_requests_late
        ):
            # This gives the same adapter, without making an environ for it.
            return Quart.create_url_adapter(cast(Any, self), connection)
        return self.create_url_adapter(None if connection is None else wrappers.face_of(core))

    def _application_alone(self, core: CoreContext) -> AbstractContextManager[None]:
        return nullcontext() if HAS_ONE_CONTEXT else _ctx.application_alone(core)

    _answering = staticmethod(in_flask)
    _names_subdomains = False  # With Flask, `subdomain_matching` decides.

    def _server_error_for(self, error: Exception) -> HTTPException:
        # Flask looks the class up in its own module.
        return flask_app.InternalServerError(original_exception=error)  # type: ignore[attr-defined]  # it imports it

    def _host_by_default(self) -> None:
        """Return None: WSGI uses the server's own address if there is no Host header."""

    def _context_face_of(self, core: CoreContext) -> object:
        return _ctx.face_of(core)

    def _face_of(self, core: CoreContext) -> object:
        return wrappers.face_of(core)

    def _only_closes_files(self, request: object) -> bool:
        return CLOSES_FILES.within(request) and wrappers.CLOSING.of(self.request_class)

    def _propagates(self, core: CoreContext) -> bool:
        propagate = self.config["PROPAGATE_EXCEPTIONS"]
        if propagate is not None:
            return bool(propagate)
        connection = core.connection
        wanted = connection is not None and translation.caller_wants_errors(connection.scope)
        return self.testing or (self.debug and wanted)

    # How functions are called
    _ensures_async = False

    @property
    def _ensured(self) -> Function:
        return self.ensure_sync

    def async_to_sync(self, func: Function) -> Function:
        """Return the async *func* as a plain function that waits for its result."""

        @wraps(func)
        def waiting(*args: object, **kwargs: object) -> object:
            return bridge.wait(func(*args, **kwargs))

        return waiting


Flask._ensuring = Stock(Flask, "ensure_sync", "async_to_sync")
Flask._url_adapters = Stock(Flask, "create_url_adapter")
Flask._wsgi_apps = Stock(Flask, "wsgi_app")
Flask._wsgi_ways = Stock(Flask, "wsgi_app", "request_context", "app_context")
Flask._context_makers = Stock(Flask, "request_context", "app_context")
