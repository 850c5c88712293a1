"""The context of an application and, perhaps, of a request or a websocket."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any, cast, TYPE_CHECKING

from werkzeug.exceptions import HTTPException

from ._flask import _AppCtxGlobals as _AppCtxGlobals, UNSET
from ._handling import pipeline, teardown
from ._handling.current import (
    after_this_request as after_this_request,
    after_this_websocket as after_this_websocket,
    copy_current_app_context as copy_current_app_context,
    copy_current_request_context as copy_current_request_context,
    copy_current_websocket_context as copy_current_websocket_context,
    has_app_context as has_app_context,
    has_request_context as has_request_context,
    has_websocket_context as has_websocket_context,
)
from ._handling.plan import Plan
from ._handling.stacks import adopt, catch_up, put_off, reset_here, right_above
from ._kind import Kind, REQUEST, WEBSOCKET
from ._loops.mailbox import shielded
from ._threads import lease as _lease, pool, strategy
from .globals import _cv_app
from .routing import can_do_without_adapter, match_without_adapter

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter

    from .app import Quart
    from .sessions import SessionMixin
    from .wrappers import Request, Websocket

_UNSET = cast(BaseException, UNSET)
# Calling a method by an imported name makes an object for each call.
_get_current, _set_current, _reset_current = _cv_app.get, _cv_app.set, _cv_app.reset


class AppContext:
    """An application and, while one is handled, a request or a websocket of it.

    Pushed inside a context of the same application, that of a request or a websocket shares that
    context's `g`, and leaves the teardown of the application context to it, as Flask does. Pushed
    inside the context of a request, that of an application alone has its own `g`; the request and
    its session can still be used there, as in Flask 3.1, which has a stack for each of the two.
    """

    # Each request makes one. So rarely used attributes have their defaults on the class, and those
    # that every request reads are set in `__init__`. Cost: "attribute" in docs/performance.md.

    #: How to handle the connection; see `find_plan`.
    plan: Plan
    flashes: list[tuple[str, str]] | None = None
    borrows = False
    given_up = 0  # How many streams kept this and were not sent: each may still pop it.
    called_by_hand = False  # Whether a program, and no server, has called `handle_request`.
    answers_whole = False  # Whether its connection takes a `Whole` for a response.
    #: Whether hooks before a websocket's view have modified the session.
    session_touched = False
    #: The context that was current when this was pushed, whatever its application is.
    _around: AppContext | None
    #: Contexts that were popped before this one, with what to reset when this is popped.
    _beneath: tuple[tuple[AppContext, Token[AppContext], object], ...]
    #: Whether only the application context is left: see `hide_connection`.
    _hides_connection: bool
    _adapter_waits = False
    _g: _AppCtxGlobals | None = None
    _url_adapter: MapAdapter | None = None
    _home: strategy.Place | None = None
    _face: Callable[[], object] | None = None  # For code of Flask's, as the next; a weak one.
    _connection_face: object = None

    def __init__(
        self,
        app: Quart,
        connection: Request | Websocket | None = None,
        session: SessionMixin | None = None,
        *,
        request: Request | None = None,
        websocket: Websocket | None = None,
    ) -> None:
        """Make a context of *app*, and of the *request* or *websocket* if one is given.

        Quart 0.22, with a class for each kind, has the *connection* second.
        """
        self.app = app
        if connection is None:
            connection = request if websocket is None else websocket
        self.connection = connection
        if connection is None:
            self.kind: Kind | None = None
        else:
            self.kind = WEBSOCKET if connection.is_websocket else REQUEST
        #: Whether its work has begun; if so, the teardown runs in any case.
        self.handled = False
        #: An error of a URL converter that is no HTTP error, kept until it can be handled.
        self.failure: Exception | None = None
        #: Where to run its work: a place, the name of a default, or None: the view decides.
        self.wanted_place: strategy.Place | str | None = None
        self._after: list[Callable[[Any], object]] | None = None
        self._lease: _lease.Lease | None = None
        self._outer: AppContext | None = None
        self._around, self._beneath, self._hides_connection = None, (), False
        self._session = session
        self._tokens: list[tuple[Token[AppContext], Any]] = []
        try:
            #: Whether the URL is matched without an adapter, which is then made on first access.
            self._adapter_waits = connection is not None and can_do_without_adapter(app, connection)
            if not self._adapter_waits:
                self._url_adapter = app._url_adapter_for(self)
        except HTTPException as error:
            if connection is None:
                raise
            connection.routing_exception = error

    # The connection

    @property
    def connected(self) -> AppContext | None:
        """The context whose request or websocket can be used here: this one, or one around it."""
        if self.connection is not None and not self._hides_connection:
            return self
        ctx = self._around
        while ctx is not None and (
            ctx.connection is None or ctx._hides_connection or not ctx._tokens
        ):
            ctx = ctx._around
        return ctx

    def has(self, kind: Kind) -> bool:
        """Whether a connection of this *kind* can be used here."""
        ctx = self.connected
        return ctx is not None and ctx.kind is kind

    @property
    def has_request(self) -> bool:
        return self.has(REQUEST)

    @property
    def has_websocket(self) -> bool:
        return self.has(WEBSOCKET)

    @property
    def request(self) -> Request:
        if self.kind is not REQUEST or self._hides_connection:
            return self._connection_around(REQUEST)  # type: ignore[return-value]  # of that kind
        return self.connection  # type: ignore[return-value]  # as its kind says

    @property
    def websocket(self) -> Websocket:
        if self.kind is not WEBSOCKET or self._hides_connection:
            return self._connection_around(WEBSOCKET)  # type: ignore[return-value]  # of that kind
        return self.connection  # type: ignore[return-value]  # as its kind says

    def _connection_around(self, kind: Kind) -> Request | Websocket:
        ctx = self.connected
        if ctx is not None and ctx.kind is kind:
            return ctx.connection  # type: ignore[return-value]  # it has one
        has = "no connection" if ctx is None or ctx.kind is None else f"a {ctx.kind.name}"
        raise RuntimeError(
            f"Expected an active {kind.name} context, got one that has {has}. Call"
            f" has_{kind.name}_context() to ask first."
        )

    @contextmanager
    def hide_connection(self) -> Iterator[None]:
        """Hide the connection in this block, which then sees only the application's context."""
        self._hides_connection = True
        try:
            yield
        finally:
            self._hides_connection = False

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
        session = self._session
        if session is None:
            ctx = self.connected if self.connection is None else self
            session = (ctx or self).opened_session()
        session.accessed = True
        return session

    def opened_session(self) -> SessionMixin:
        if self._session is None:
            if self.connection is None:
                raise RuntimeError(
                    "Expected an active request or websocket context for the session, got one with"
                    " neither. Call has_request_context() to ask first."
                )
            interface, face = self.app.session_interface, self.app._face_of(self)
            self.keep_session(strategy.wait_for(interface.open_session(self.app, face)))
        return cast("SessionMixin", self._session)

    def keep_session(self, session: SessionMixin | None) -> None:
        if session is None:
            interface = self.app.session_interface
            session = strategy.wait_for(interface.make_null_session(self.app))
        self._session = session

    def find_plan(self, place: strategy.Place | None = None) -> Plan:
        """Look up the plan of the endpoint, in this *place*; call this once the URL is matched."""
        rule = None if self.connection is None else self.connection.url_rule
        endpoint = None if rule is None else rule.endpoint
        wanted = place or self.wanted_place
        self.plan = self.app._plans.get(self.app, self.kind or REQUEST, endpoint, wanted)
        return self.plan

    @property
    def lease(self) -> _lease.Lease | None:
        """The lease of this request's worker thread; a websocket, which may last, keeps none."""
        if self._lease is None and self.kind is REQUEST:
            self._lease = _lease.Lease(pool.pool_of(self.app))
        return self._lease

    @lease.setter
    def lease(self, lease: _lease.Lease | None) -> None:
        self._lease = lease

    def borrow(self, lease: _lease.Lease) -> None:
        """Use the thread of another request's *lease*, and do not give it back."""
        self._lease, self.borrows = lease, True

    def release(self) -> None:
        """Give the worker thread back, if there is one."""
        if self._lease is not None and not self.borrows:
            self._lease.release()

    @property
    def url_adapter(self) -> MapAdapter | None:
        """The URL map, bound to this connection."""
        if self._adapter_waits:
            self._url_adapter, self._adapter_waits = self.app._url_adapter_for(self), False
        return self._url_adapter

    @url_adapter.setter
    def url_adapter(self, value: MapAdapter | None) -> None:
        self._url_adapter, self._adapter_waits = value, False

    def match_request(self) -> None:
        """Match the URL, and keep the rule and its arguments, or the error, on the connection."""
        connection, waits = self.connection, self._adapter_waits
        assert connection is not None
        try:
            found: Any = match_without_adapter(self.app, connection) if waits else None
            if found is None:
                if self.url_adapter is None:
                    return
                found = self.url_adapter.match(return_rule=True)
        except HTTPException as error:  # A converter may raise one too.
            connection.routing_exception = error
            return
        connection.url_rule, connection.view_args = found

    def after_this(self) -> list[Callable[[Any], Any]]:
        """Return the list that `after_this_request` and `after_this_websocket` add to."""
        if self._after is None:
            self._after = []
        return self._after

    _after_request_functions = property(after_this)

    # Entering and leaving

    @property
    def is_pushed(self) -> bool:
        return bool(self._tokens)

    @property
    def owns_app_context(self) -> bool:
        return self._outer is None

    def enter(self) -> None:
        """Make this the current context, and do nothing else."""
        if not self._tokens:
            outer = _get_current(None)
            if outer is not None and not outer._tokens:
                outer = None  # That context was popped already.
            self._around = outer
            if (
                outer is not None
                and self.kind is not None
                and outer.app is self.app
                and outer.app._reuses_app_context
            ):
                self._outer, self._g = outer, outer.g
            elif self._outer is not None:
                self._outer = None
        token, pushed = _set_current(self), strategy.installed.pushed
        self._tokens.append((token, None if pushed is None else pushed(self)))

    def exit(self) -> None:
        """Restore the outer context, and do nothing else."""
        if not self._tokens:
            raise RuntimeError(f"Expected a pushed context, got {self!r}. Push it first.")
        (token, mark), current = self._tokens.pop(), _get_current(None)
        above = None if current is self else right_above(self, current)
        if above is None:
            try:
                _reset_current(token)
            except ValueError:
                mark = reset_here(self, token, mark)
        else:
            mark = put_off(self, token, mark, above)
        if mark is not None and (popped := strategy.installed.popped) is not None:
            popped(self, mark)
        if self._beneath and not self._tokens:
            catch_up(self)
        if current is not self and above is None:
            raise AssertionError(f"Expected to pop {current!r} first, got {self!r}.")

    async def push(self) -> None:
        """Make this the current context, open the session and match the URL."""
        self.enter()
        if self.connection is not None and self.connection.url_rule is None:
            self.match_request()
        self.find_plan()
        await pipeline.open_context(self.app, self)

    async def pop(self, exc: BaseException | None = _UNSET) -> None:
        """Run the teardown functions if this is the last pop, then restore the outer context."""
        if exc is _UNSET:
            exc = sys.exc_info()[1]
        if not self._tokens:
            if not self.given_up:
                self.exit()  # Raises: nothing was pushed.
            self.given_up -= 1
            return
        if _get_current(None) is not self:
            adopt(self)
        if (rest := teardown.close_context(self.app, self, exc)) is not None:
            with shielded():
                await rest
        if not self._tokens:
            self.release()

    async def auto_pop(self, exc: BaseException | None) -> None:
        """Quart 0.22's name for `pop`."""
        await self.pop(exc)

    async def __aenter__(self) -> AppContext:
        await self.push()
        return self

    async def __aexit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.pop(exc_value)

    @property
    def home(self) -> strategy.Place:
        """Where its work runs, even if plain code has entered the context again since."""
        return self._home or self.plan.place

    def __enter__(self) -> AppContext:
        if self.handled and self._home is None:
            self._home = self.plan.place
        self.wanted_place = strategy.current().inline
        strategy.wait_for(self.push())
        return self

    def __exit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        strategy.wait_for(self.pop(exc_value))

    def copy(self) -> AppContext:
        """Return a new context of the same connection, session and `g`, to push elsewhere."""
        if self.connection is not None:
            # Open it now, or the copy would open a session of its own.
            self.opened_session()
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._outer, copied._lease, copied.borrows, copied._tokens = self, None, False, []
        copied._after = copied.flashes = None
        return copied

    def __repr__(self) -> str:
        about = "" if (it := self.connection) is None else f" {it.url!r} [{it.method}]"
        return f"<{type(self).__name__}{about} of {self.app.name}>"


RequestContext = WebsocketContext = AppContext
