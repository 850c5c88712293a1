"""The application: its configuration, contexts and factories.

Its methods for the pipeline's stages are in `_application/stage_methods.py`, those for URLs in
`_application/url_methods.py`, and those for being served in `_application/serving_methods.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import weakref
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, cast, ClassVar, overload, ParamSpec, TYPE_CHECKING, TypeVar

from flask.sansio.app import App
from werkzeug.datastructures import ImmutableDict
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import BuildError as BuildError, Map, MapAdapter, Rule

from ._application.serving_methods import ServingMethods
from ._application.stage_methods import connected_context, StageMethods, takes_ctx
from ._application.url_methods import UrlMethods
from ._connection import isolation, origins
from ._connection.outbound import Whole
from ._flask import has_served
from ._handling import results, whole
from ._handling.hooks import HOOK_TABLES, HookTable, keeps_views
from ._handling.plan import Plans, STAGE_NAMES
from ._handling.straight import Begun
from ._kind import REQUEST
from ._stock import Stock
from ._threads import strategy
from ._types import CoroutineOf, Function, Receive, Result, Scope, Send
from .asgi import ASGIHTTPConnection, ASGILifespan, ASGIWebsocketConnection
from .config import Config, DEFAULTS
from .ctx import _AppCtxGlobals, AppContext
from .globals import _cv_app, g, request, session, websocket
from .helpers import get_flashed_messages
from .json.provider import DefaultJSONProvider, JSONProvider
from .logging import create_logger as create_logger
from .routing import QuartMap, QuartRule
from .sessions import SecureCookieSessionInterface, SessionInterface
from .templating import Environment
from .utils import run_sync, run_sync_iterable
from .wrappers import Request, Response, Websocket
from .wrappers.request import CLOSES_FILES

if TYPE_CHECKING:
    from typing import Self

    from blinker import Signal
    from hypercorn.typing import (
        ASGIReceiveCallable,
        ASGISendCallable,
        LifespanScope,
        Scope as ServersScope,
    )

    from .testing import QuartClient, QuartCliRunner, TestApp
    from .typing import FilePath

T = TypeVar("T")
P = ParamSpec("P")
F = TypeVar("F", bound=Function)


class _TestingClass:
    """A class of `quart.testing`, imported on first access."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, app: object, owner: object = None) -> Any:
        from . import testing

        return getattr(testing, self.name)


class Quart(UrlMethods, StageMethods, ServingMethods):
    """An ASGI application with Flask's API."""

    aborter_class = App.aborter_class
    app_ctx_globals_class = _AppCtxGlobals
    asgi_http_class: type[ASGIHTTPConnection] = ASGIHTTPConnection
    asgi_lifespan_class: type[ASGILifespan] = ASGILifespan
    asgi_websocket_class: type[ASGIWebsocketConnection] = ASGIWebsocketConnection
    config: Config
    config_class = Config
    event_class = asyncio.Event
    jinja_environment = Environment
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    lock_class = asyncio.Lock
    request_class: type[Request] = Request
    response_class: type[Response] = Response
    session_interface: SessionInterface = SecureCookieSessionInterface()
    test_app_class: type[TestApp] = cast(Any, _TestingClass("TestApp"))
    test_client_class: type[QuartClient] = cast(Any, _TestingClass("QuartClient"))  # type: ignore[assignment]  # Flask's is sync
    test_cli_runner_class: type[QuartCliRunner] = cast(Any, _TestingClass("QuartCliRunner"))  # type: ignore[assignment]  # Flask's is sync
    url_map_class: type[Map] = QuartMap
    url_rule_class: type[Rule] = QuartRule
    websocket_class: type[Websocket] = Websocket

    default_config = ImmutableDict(DEFAULTS)

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: str | os.PathLike[str] | None = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: str | os.PathLike[str] | None = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
    ) -> None:
        self._plans = Plans()
        #: The endpoints of `@app.websocket`, including those of blueprints.
        self._websocket_endpoints: set[str] = set()
        super().__init__(
            import_name,
            static_url_path=static_url_path,
            static_folder=static_folder,
            static_host=static_host,
            host_matching=host_matching,
            subdomain_matching=subdomain_matching,
            template_folder=template_folder,
            instance_path=instance_path,
            instance_relative_config=instance_relative_config,
            root_path=root_path,
        )
        self._prepare()
        self.before_serving_funcs: list[Function] = []
        self.while_serving_gens: list[Any] = []
        self.after_serving_funcs: list[Function] = []
        self.background_tasks: set[asyncio.Task[Any]] = set()
        self.shutdown_event = self.event_class()
        if self.has_static_folder:
            self._add_static_route(static_host, host_matching)

    def _add_static_route(self, static_host: str | None, host_matching: bool) -> None:
        if bool(static_host) != host_matching:
            raise ValueError(
                "Expected static_host and host_matching together, got one of them. Give both, or"
                " neither, or static_folder=None."
            )
        # A strong reference to the app would be a cycle, which keeps unused apps alive.
        this = weakref.ref(self)

        async def static(filename: str) -> Response:
            app = this()
            assert app is not None
            return await app.send_static_file(filename)

        # Attributes set on the method later (to exclude it from a schema, say) also appear on the
        # view.
        static.__dict__ = vars(type(self).send_static_file)
        self.add_url_rule(
            f"{self.static_url_path}/<path:filename>",
            endpoint="static",
            host=static_host,
            view_func=cast(Any, static),
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "view_functions" and not keeps_views(value):
            self._plans.keeps = False
            self._plans.clear()
        elif name in HOOK_TABLES:
            value = HookTable(value, self._plans.clear)
        object.__setattr__(self, name, value)
        if name in STAGE_NAMES:
            self._plans.clear()

    def __copy__(self) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        # The two share their hooks, which tell one application's plans when they change.
        copied._plans = Plans()
        copied._plans.keeps = False
        return copied

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in HOOK_TABLES or name in STAGE_NAMES:
            self._plans.clear()

    # Serving

    async def __call__(
        self, scope: ServersScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve a connection as an ASGI application; put middleware around `asgi_app` instead."""
        if scope["type"] == "http":
            stages = self._plans.stages(self, REQUEST)
            if (direct := stages.connection_class) is not None:
                connection = direct(self, scope)
                connection._stages = stages
                await connection(receive, send)
                return
        elif scope["type"] == "websocket" and (at_once := self._websocket_at_once()) is not None:
            await at_once(self, scope)(receive, send)
            return
        if self._asgi_apps.within(self):
            await self.asgi_app(scope, receive, send)
        else:
            await isolation.go_on(self.asgi_app, scope, receive, send)

    async def asgi_app(
        self, scope: ServersScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Serve one ASGI connection; wrap it by ``app.asgi_app = Middleware(app.asgi_app)``."""
        if scope["type"] == "http" and (at_once := self._connection_at_once()) is not None:
            await at_once(self, scope)(receive, send)
        else:
            await isolation.go_on(self._serve_connection, scope, receive, send)

    def _connection_at_once(self) -> type[ASGIHTTPConnection] | None:
        """Return the class that handles a request directly, or None if something comes first."""
        return ASGIHTTPConnection if self.asgi_http_class is ASGIHTTPConnection else None

    def _websocket_at_once(self) -> type[ASGIWebsocketConnection] | None:
        """Return the same for a websocket, which keeps every object around it while it is idle."""
        kind = self.asgi_websocket_class
        is_ours = kind is ASGIWebsocketConnection and self._entries.within(self)
        return kind if is_ours and self.config[origins.KEY] is None else None

    async def _serve_connection(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope_type = scope["type"]
        if scope_type == "http":
            await self.asgi_http_class(self, scope)(receive, send)
        elif scope_type == "websocket":
            await origins.serve(self, scope, receive, send)
        elif scope_type == "lifespan":
            await self.asgi_lifespan_class(self, cast("LifespanScope", scope))(receive, send)
        else:
            raise RuntimeError(
                f"Expected an ASGI scope of type http, websocket or lifespan, got {scope_type!r}."
            )

    # Contexts

    def app_context(self) -> AppContext:
        """Return a context for code outside of requests: ``async with app.app_context():``."""
        return AppContext(self)

    def request_context(self, request: Request) -> AppContext:
        """Return the context in which *request* is handled."""
        return AppContext(self, request)

    def websocket_context(self, websocket: Websocket) -> AppContext:
        """Return the context in which *websocket* is handled."""
        return AppContext(self, websocket)

    def test_request_context(self, path: str, **options: Any) -> AppContext:
        """Return the context of a request that is made for a test.

        Takes method, headers, query_string, scheme, data, form, json, root_path, http_version,
        scope_base, auth, subdomain and send_push_promise, as the test client does.
        """
        from .testing.utils import make_test_request

        return self.request_context(make_test_request(self, path, **options))

    # How functions are called

    @overload
    def ensure_async(self, func: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]: ...

    @overload
    def ensure_async(self, func: Callable[P, T]) -> Callable[P, Awaitable[T]]: ...

    def ensure_async(self, func: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
        """Return *func* as an async function; a plain one runs in a thread."""
        if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func):
            return func
        return self.sync_to_async(func)

    def ensure_sync(self, func: Callable[P, object]) -> Callable[P, Any]:
        """Return *func* as a plain function; an async one is waited for.

        Plain code that was written for Flask calls this.
        """
        if not inspect.iscoroutinefunction(func):
            return func

        @wraps(func)
        def waiting(*args: P.args, **kwargs: P.kwargs) -> object:
            return strategy.current().wait(func(*args, **kwargs))

        return waiting

    #: Whether the result of a function from `_ensured` must be awaited.
    _ensures_async: ClassVar[bool] = True

    @property
    def _ensured(self) -> Function:
        return self.ensure_async

    def sync_to_async(self, func: Callable[P, T]) -> Callable[P, CoroutineOf[T]]:
        """Return a coroutine function that runs *func* in the request's worker thread."""
        if inspect.isgeneratorfunction(func):

            async def generate(*args: P.args, **kwargs: P.kwargs) -> Any:
                return run_sync_iterable(func(*args, **kwargs))

            return generate
        return run_sync(func)

    async def _emit(self, signal: Signal, **values: object) -> None:
        signal = strategy.installed.signal_for(self, signal)
        await results.emit(self, _cv_app.get(None), signal, **values)

    def _context_for(self, connection: Request | Websocket) -> AppContext:
        """Return the context for a connection from a server."""
        if isinstance(connection, Websocket):
            return self.websocket_context(connection)
        return self.request_context(connection)

    def _note_websocket(self, endpoint: str) -> None:
        self._websocket_endpoints.add(endpoint)

    @property
    def _connection_class(self) -> type[Request]:
        return self.request_class

    _answering: ClassVar[staticmethod[[Quart, AppContext, Result], Whole | Begun | None]] = (
        staticmethod(whole.in_core)
    )

    #: Whether a request may be matched before the object is made that the application sees.
    _makes_requests_late: bool = True

    def _url_adapter_for(self, ctx: AppContext) -> MapAdapter | None:
        return self.create_url_adapter(ctx.connection)

    def _application_alone(self, ctx: AppContext) -> AbstractContextManager[None]:
        """Return a block for `teardown_appcontext` functions; here they see the connection."""
        return nullcontext()

    def _context_face_of(self, ctx: AppContext) -> object:
        """Return the context in the form that overrides of the pipeline's stages expect."""
        return ctx

    def _face_of(self, ctx: AppContext) -> Any:
        """Return the request or websocket in the form that session interfaces expect."""
        return ctx.connection

    def _only_closes_files(self, request: object) -> bool:
        return CLOSES_FILES.within(request)

    # Errors

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """Log an exception, given as by ``sys.exc_info()``, as an error of the current request.

        Called as ``log_exception(exc_info)``, or with a context before that.
        """
        given = [*args, *kwargs.values()]
        ctx = given[0] if isinstance(given[0], AppContext) else connected_context()
        connection = ctx.connection
        where = "" if connection is None else f" on {connection.path} [{connection.method}]"
        # Flask's message; the log record needs nothing else.
        self.logger.error(f"Exception{where}", exc_info=given[-1])

    def _server_error_for(self, error: Exception) -> HTTPException:
        """Return what to answer with for *error*, by the name that its class has here."""
        return InternalServerError(original_exception=error)

    def _propagates(self, ctx: AppContext) -> bool:
        propagate = self.config["PROPAGATE_EXCEPTIONS"]
        if propagate is not None:
            return bool(propagate)
        # A server shows debug mode's page; a direct caller gets the error itself.
        return self.testing or (self.debug and ctx.called_by_hand)

    # Factories

    def create_jinja_environment(self) -> Environment:
        """Return the Jinja environment; use `jinja_options` to change how it is made."""
        options = dict(self.jinja_options)
        options.setdefault("autoescape", self.select_jinja_autoescape)
        if "auto_reload" not in options:
            reload = self.config["TEMPLATES_AUTO_RELOAD"]
            options["auto_reload"] = self.debug if reload is None else reload
        environment = self.jinja_environment(self, **options)
        environment.globals.update(
            url_for=self.url_for,
            get_flashed_messages=get_flashed_messages,
            config=self.config,
            request=request,
            websocket=websocket,
            session=session,
            g=g,
        )
        environment.policies["json.dumps_function"] = self.json.dumps
        return environment

    @takes_ctx
    async def update_template_context(self, context: dict[str, Any]) -> None:
        """Add the values of the context processors to *context*; its own values win."""
        given = dict(context)
        for func in self._context_processors():
            values = await self.ensure_async(func)()
            context.update(values)
        context.update(given)

    def _context_processors(self) -> Iterable[Function]:
        ctx = _cv_app.get(None)
        blueprints: list[str] = []
        if ctx is not None and (connected := ctx.connected) is not None:
            blueprints = connected.connection.blueprints  # type: ignore[union-attr]  # it has one
        for scope in (None, *reversed(blueprints)):
            yield from self.template_context_processors.get(scope, ())

    def make_shell_context(self) -> dict[str, Any]:
        """Return the variables that an interactive shell of the application starts with."""
        context: dict[str, object] = {"app": self, "g": g}
        for processor in self.shell_context_processors:
            context.update(processor())
        return context

    def test_client(self, use_cookies: bool = True, **kwargs: Any) -> QuartClient:
        """Return a client that makes requests without a server."""
        return self.test_client_class(self, use_cookies=use_cookies, **kwargs)

    def test_cli_runner(self, **kwargs: Any) -> QuartCliRunner:
        """Return a runner for the application's commands."""
        return self.test_cli_runner_class(self, **kwargs)

    def test_app(self) -> TestApp:
        """Return an object whose ``async with`` block starts the application and shuts it down."""
        return self.test_app_class(self)

    # Files

    async def open_instance_resource(self, path: FilePath, mode: str = "rb") -> Any:
        """Open a file in the instance folder; use it with ``async with``."""
        import aiofiles  # Imported here, as few need it.

        return cast(Any, aiofiles.open)(os.path.join(self.instance_path, os.fsdecode(path)), mode)

    @property
    def got_first_request(self) -> bool:
        """Whether the application has handled a request, after which Flask's refuses set-up."""
        return has_served(self)


Quart._ensuring = Stock(Quart, "ensure_async", "sync_to_async")
# Two names: the counter in `testing/_arrivals.py` replaces `asgi_app` by a function that passes for
# the original, but must be called.
Quart._asgi_apps = Quart._entries = Stock(Quart, "asgi_app")
Quart._url_adapters = Stock(Quart, "create_url_adapter")
