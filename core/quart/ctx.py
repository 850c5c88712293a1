"""The context of what is being handled: an application, and perhaps a request or a websocket."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Token
from functools import wraps
from types import TracebackType
from typing import Any, cast, ParamSpec, TYPE_CHECKING, TypeVar

from werkzeug.exceptions import HTTPException

from . import _strategy, _teardown, _worker
from ._flask import _AppCtxGlobals as _AppCtxGlobals, UNSET
from ._kind import Kind, REQUEST, WEBSOCKET
from ._mailbox import shielded
from ._plan import PlanOnDemand
from .globals import _cv_app
from .routing import static_rule_for

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

    from .app import Quart
    from .routing import QuartRule
    from .sessions import SessionMixin
    from .typing import AfterRequestCallable, AfterWebsocketCallable
    from .wrappers import Request, Websocket

T = TypeVar("T")
P = ParamSpec("P")
_UNSET = cast(BaseException, UNSET)


class AppContext:
    """An application and, while one is handled, a request or a websocket of it.

    Pushed inside a context of the same application it shares that context's `g`, and leaves the
    teardown of the application context to it, as Flask does.
    """

    # What most contexts never change is set on the class: this is made for every request.

    flashes: list[tuple[str, str]] | None = None
    #: Whether its work has begun, which ends with the teardown in any case.
    handled = False
    #: What a URL converter raised that is no HTTP error, until errors can be handled.
    failure: Exception | None = None
    #: Where its work runs: a certain place, the name of a default, or as the view says.
    place: _strategy.Place | str | None = None
    borrows = False
    _session: SessionMixin | None = None
    _g: _AppCtxGlobals | None = None
    _outer: AppContext | None = None
    _lease: _worker.Lease | None = None
    _after: list[Callable[[Any], Any]] | None = None
    _url_adapter: MapAdapter | None = None
    #: The rule, if looking the path up was enough to find it. Then the adapter can wait.
    _rule: QuartRule | None = None

    def __init__(
        self,
        app: Quart,
        *,
        request: Request | None = None,
        websocket: Websocket | None = None,
        session: SessionMixin | None = None,
    ) -> None:
        self.app = app
        self.connection: Request | Websocket | None = request if websocket is None else websocket
        self.kind: Kind | None = (
            REQUEST if request is not None else WEBSOCKET if websocket is not None else None
        )
        self._tokens: list[tuple[Token[AppContext], Any]] = []
        if session is not None:
            self._session = session
        try:
            self._rule = static_rule_for(app, self.connection)
            if self._rule is None:
                self._url_adapter = app._url_adapter_for(self)
        except HTTPException as error:
            if self.connection is None:
                raise
            self.connection.routing_exception = error

    # What it is about

    @property
    def has_request(self) -> bool:
        return self.kind is REQUEST

    @property
    def has_websocket(self) -> bool:
        return self.kind is WEBSOCKET

    @property
    def request(self) -> Request:
        if self.kind is not REQUEST:
            raise self._no_connection(REQUEST)
        return self.connection  # type: ignore[return-value]  # as its kind says

    @property
    def websocket(self) -> Websocket:
        if self.kind is not WEBSOCKET:
            raise self._no_connection(WEBSOCKET)
        return self.connection  # type: ignore[return-value]  # as its kind says

    def _no_connection(self, kind: Kind) -> RuntimeError:
        has = "no connection" if self.kind is None else f"a {self.kind.name}"
        return RuntimeError(
            f"There is no {kind.name} here: the current context has {has}. Use"
            f" has_{kind.name}_context() to ask first."
        )

    @property
    def g(self) -> _AppCtxGlobals:
        if self._g is None:
            self._g = self.app.app_ctx_globals_class()
        return self._g

    @g.setter
    def g(self, value: _AppCtxGlobals) -> None:
        self._g = value

    @property
    def session(self) -> SessionMixin:
        """The session, opened when first asked for, and marked as accessed."""
        session = self.opened_session()
        session.accessed = True
        return session

    def opened_session(self) -> SessionMixin:
        if self._session is None:
            if self.connection is None:
                raise RuntimeError(
                    "There is no session here: it belongs to a request or a websocket, and the"
                    " current context has none."
                )
            interface, face = self.app.session_interface, self.app._face_of(self)
            self.keep_session(_strategy.finish(interface.open_session(self.app, face)))
        return cast("SessionMixin", self._session)

    def keep_session(self, session: SessionMixin | None) -> None:
        if session is None:
            interface = self.app.session_interface
            session = _strategy.finish(interface.make_null_session(self.app))
        self._session = session

    plan = PlanOnDemand()

    @property
    def lease(self) -> _worker.Lease | None:
        """The worker thread of this request; a websocket, which may live long, keeps none."""
        if self._lease is None and self.kind is REQUEST:
            self._lease = _worker.Lease(_worker.pool_of(self.app))
        return self._lease

    @lease.setter
    def lease(self, lease: _worker.Lease | None) -> None:
        self._lease = lease

    def borrow(self, lease: _worker.Lease) -> None:
        """Use the thread of another's *lease*, which is not given back from here."""
        self._lease, self.borrows = lease, True

    def release(self) -> None:
        """Give the worker thread back, if there is one."""
        if self._lease is not None and not self.borrows:
            self._lease.release()

    @property
    def url_adapter(self) -> MapAdapter | None:
        """The URL map, bound to this connection."""
        if self._rule is not None and self._url_adapter is None:
            self._url_adapter = self.app._url_adapter_for(self)
        return self._url_adapter

    @url_adapter.setter
    def url_adapter(self, value: MapAdapter | None) -> None:
        self._url_adapter, self._rule = value, None

    def match_request(self) -> None:
        """Match the URL, and keep the rule and its arguments, or the error, on the connection."""
        connection = self.connection
        assert connection is not None
        if self._rule is not None:
            connection.url_rule, connection.view_args = self._rule, {}
            return
        if self.url_adapter is None:
            return
        try:
            rule, values = self.url_adapter.match(return_rule=True)
        except HTTPException as error:
            connection.routing_exception = error
        else:
            connection.url_rule = cast("QuartRule", rule)
            connection.view_args = cast("dict[str, Any]", values)

    def after_this(self) -> list[Callable[[Any], Any]]:
        """The functions that `after_this_request` and `after_this_websocket` add to."""
        if self._after is None:
            self._after = []
        return self._after

    _after_request_functions = property(after_this)

    # Entering and leaving

    @property
    def owns_app_context(self) -> bool:
        return self._outer is None

    def enter(self) -> None:
        """Become the current context; nothing else happens."""
        if not self._tokens:
            outer = _cv_app.get(None)
            if self.kind is not None and outer is not None and outer.app is self.app:
                self._outer, self._g = outer, outer.g
            elif self._outer is not None:
                self._outer = None
        token, pushed = _cv_app.set(self), _strategy.installed.pushed
        self._tokens.append((token, None if pushed is None else pushed(self)))

    def exit(self) -> None:
        """Stop being the current context; nothing else happens."""
        if not self._tokens:
            raise RuntimeError(
                f"Cannot pop {self!r}, as it is not pushed; push it first, or use `async with`."
            )
        token, mark = self._tokens.pop()
        current = _cv_app.get(None)
        _cv_app.reset(token)
        if (popped := _strategy.installed.popped) is not None:
            popped(self, mark)
        if current is not self:
            raise AssertionError(f"Popped the wrong context: {current!r} instead of {self!r}.")

    async def push(self) -> None:
        """Become the current context, open the session and match the URL."""
        from . import _pipeline

        self.enter()
        if self.connection is not None and self.connection.url_rule is None:
            self.match_request()
        await _pipeline.open_context(self.app, self)

    async def pop(self, exc: BaseException | None = _UNSET) -> None:
        """Run the teardown functions if this is the last pop, then restore the outer context."""

        if exc is _UNSET:
            exc = sys.exc_info()[1]
        if (rest := _teardown.close_context(self.app, self, exc)) is not None:
            with shielded():
                await rest
        if not self._tokens:
            self.release()

    async def auto_pop(self, exc: BaseException | None) -> None:
        """Another name for `pop`, of Quart 0.22."""
        await self.pop(exc)

    async def __aenter__(self) -> AppContext:
        await self.push()
        return self

    async def __aexit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.pop(exc_value)

    def __enter__(self) -> AppContext:
        self.place = _strategy.current().inline
        # Compiled for another place, perhaps.
        self.__dict__.pop("plan", None)
        _strategy.finish(self.push())
        return self

    def __exit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        _strategy.finish(self.pop(exc_value))

    def copy(self) -> AppContext:
        """Return a new context of the same connection, session and `g`, to push elsewhere."""
        if self.connection is not None:
            # Or the copy would open a session of its own.
            self.opened_session()
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._outer, copied._lease, copied.borrows, copied._tokens = self, None, False, []
        return copied

    def __repr__(self) -> str:
        about = ""
        if self.connection is not None:
            about = f" {self.connection.url!r} [{self.connection.method}]"
        return f"<{type(self).__name__}{about} of {self.app.name}>"


def _current(kind: Kind | None, caller: str) -> AppContext:
    ctx = _cv_app.get(None)
    if ctx is None or (kind is not None and ctx.kind is not kind):
        name = "application" if kind is None else kind.name
        raise RuntimeError(
            f"'{caller}' needs an active {name} context, as there is in a view function, and there"
            " is none here."
        )
    return ctx


def after_this_request(func: AfterRequestCallable) -> AfterRequestCallable:
    """Run *func* on the response of this request only.

    Raises:
        RuntimeError: if no request is being handled.
    """
    _current(REQUEST, "after_this_request").after_this().append(func)
    return func


def after_this_websocket(func: AfterWebsocketCallable) -> AfterWebsocketCallable:
    """Run *func* when this websocket's handler has ended, on its response or None.

    Raises:
        RuntimeError: if no websocket is being handled.
    """
    _current(WEBSOCKET, "after_this_websocket").after_this().append(func)
    return func


def _copying(kind: Kind | None, caller: str) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    def decorate(func: Callable[P, Any]) -> Callable[P, Any]:
        ctx = _current(kind, caller).copy()

        @wraps(func)
        async def in_context(*args: P.args, **kwargs: P.kwargs) -> Any:
            # Another copy for each call, as several may run at once.
            async with ctx.copy() as copied:
                return await copied.app.ensure_async(func)(*args, **kwargs)

        return in_context

    return decorate


def copy_current_app_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current application context, in any later task.

    Raises:
        RuntimeError: if there is no application context.
    """
    return _copying(None, "copy_current_app_context")(func)


def copy_current_request_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current request's context, in any later task.

    Raises:
        RuntimeError: if no request is being handled.
    """
    return _copying(REQUEST, "copy_current_request_context")(func)


def copy_current_websocket_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current websocket's context, in any later task.

    Raises:
        RuntimeError: if no websocket is being handled.
    """
    return _copying(WEBSOCKET, "copy_current_websocket_context")(func)


def has_app_context() -> bool:
    """Whether `current_app` and `g` can be used here."""
    return _cv_app.get(None) is not None


def _has(kind: Kind) -> bool:
    ctx = _cv_app.get(None)
    return ctx is not None and ctx.kind is kind


def has_request_context() -> bool:
    """Whether `request` and `session` can be used here."""
    return _has(REQUEST)


def has_websocket_context() -> bool:
    """Whether `websocket` and `session` can be used here."""
    return _has(WEBSOCKET)


RequestContext = WebsocketContext = AppContext
