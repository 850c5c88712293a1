"""Flask's contexts, as faces of the core's contexts.

Flask's own context variables hold these faces. So Flask's helpers and proxies, whenever they were
imported, see the request that the core is handling.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from operator import attrgetter
from types import TracebackType
from typing import Any, cast, TYPE_CHECKING

from quart._flask import flask_cv_app, flask_cv_request, HAS_ONE_CONTEXT, UNSET
from quart._types import Environ
from quart.app import Quart as CoreQuart
from quart.ctx import AppContext as CoreContext

from . import genuine, wrappers
from ._environs import translation
from ._guards import AfterThis

if TYPE_CHECKING:
    from typing import Self

    from werkzeug.routing import MapAdapter

    from quart.wrappers import Request as CoreRequest

    from .app import Flask

_APPLICATION_ADAPTER = "_application_adapter"
_UNSET = cast(BaseException, UNSET)


class _LazyAttribute:
    """An attribute that is computed on first read, and a plain instance attribute from then on."""

    def __init__(self, work_out: Callable[[Any], object]) -> None:
        self._work_out = work_out

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, face: object, owner: type) -> Any:
        if face is None:
            return self
        value = face.__dict__[self._name] = self._work_out(face)
        return value


def _application(self: _Face) -> object:
    if _is_flasks(self._core.app):
        return self._core.app
    from ._faces.quart_face import face_of

    return face_of(self._core)


def _request(self: _Face) -> object:
    return wrappers.face_of(self._core)


def _after_request_functions(self: _Face) -> object:
    functions = self._core.after_this()
    return AfterThis(functions) if self._core.has_websocket else functions


def _forward(name: str, settable: bool = True) -> Any:
    """Return a property that reads and sets the attribute *name* of the core's context."""

    def write(self: _Face, value: object) -> None:
        setattr(self._core, name, value)

    return property(attrgetter(f"_core.{name}"), write if settable else None)


class _Face:
    """The base class of both contexts of Flask's."""

    _core: CoreContext
    #: The face that Flask's `app_ctx` shows, if that is another object.
    _of_application: Any = None
    app: Any = _LazyAttribute(_application)
    g = _forward("g")
    flashes = _forward("flashes")
    request: object = _LazyAttribute(_request)
    _after_request_functions: object = property(_after_request_functions)
    _cv_tokens = _forward("_tokens", settable=False)
    # Flask 3.2 calls it this.
    _flashes = flashes

    @property
    def url_adapter(self) -> MapAdapter | None:
        core = self._core
        return _application_adapter(core) if core._hides_connection else core.url_adapter

    @url_adapter.setter
    def url_adapter(self, value: MapAdapter | None) -> None:
        self._core.url_adapter = value

    @property
    def has_request(self) -> bool:
        """Whether this is a request's context."""
        return self._core.connection is not None

    @property
    def _request(self) -> object:
        return self.request if self.has_request else None

    @property
    def _cv_token(self) -> Token[Any] | None:
        return self._core._tokens[0][0] if self._core._tokens else None

    @property
    def _push_count(self) -> int:
        return len(self._core._tokens)

    def _get_session(self) -> object:
        return self._core.opened_session()

    @property
    def session(self) -> object:
        # As `AppContext.session` of the core, written out as plain code reads it often.
        session: Any = self._core._session
        if session is None:
            session = self._core.opened_session()
        session.accessed = True
        return session

    @property
    def _session(self) -> object:
        return self._core.opened_session()

    @_session.setter
    def _session(self, value: Any) -> None:
        self._core._session = value

    def match_request(self) -> None:
        """Match the URL; a subclass may override this."""
        CoreContext.match_request(self._core)

    def push(self) -> None:
        """Make this the current context, open the session and match the URL."""
        self._core.__enter__()

    def pop(self, exc: BaseException | None = _UNSET) -> None:
        """Run the teardown functions if this is the last pop, then restore the outer context."""
        if exc is _UNSET:
            exc = sys.exc_info()[1]
        self._core.__exit__(None, exc, None)

    def __enter__(self) -> Self:
        self.push()
        return self

    def __exit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.pop(exc_value)

    async def __aenter__(self) -> Self:
        await self._core.push()
        return self

    async def __aexit__(
        self, exc_type: type | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._core.pop(exc_value)

    def copy(self) -> Self:
        """Return a new context with the same request and session, and a `g` of its own.

        As with Flask, teardown functions find and close only what is in the `g` of their own
        context.
        """
        core = self._core.copy()
        core._g = None
        core._face = None
        return cast("Self", face_of(core))


class AppContext(_Face, genuine.AppContext):
    """An application's context; with Flask 3.2, a request's context too."""

    def __new__(cls, app: Any, **kwargs: Any) -> Any:
        return object.__new__(cls) if _is_ours(app) else genuine.AppContext(app, **kwargs)

    def __init__(self, app: Flask, *, request: Any = None, session: Any = None) -> None:
        core = CoreContext(_core_app(app), session=session)
        if request is not None:
            core = _core_of_request(app, request.environ, request, session)
        _attach(self, core)

    @classmethod
    def from_environ(cls, app: Any, environ: Environ, /) -> Any:
        """Make the context of the request in a WSGI *environ*."""
        if not _is_ours(app):
            made: Any = genuine.AppContext
            return made.from_environ(app, environ)
        face = object.__new__(cls)
        _attach(face, _core_of_request(app, environ, None, None))
        return face


if HAS_ONE_CONTEXT:
    RequestContext: Any = AppContext
else:

    class RequestContext(_Face, genuine.RequestContext):  # type: ignore[no-redef,misc]  # the other of the two
        """A request's context, which is its application's context too."""

        def __new__(cls, app: Any, *args: Any, **kwargs: Any) -> Any:
            if _is_ours(app):
                return object.__new__(cls)
            return genuine.RequestContext(app, *args, **kwargs)

        def __init__(
            self, app: Flask, environ: Environ, request: Any = None, session: Any = None
        ) -> None:
            _attach(self, _core_of_request(app, environ, request, session))
            if _is_flasks(app) and not app._context_makers.within(app):
                self._of_application = _application_context_of(app, self._core)


def made_by(app: Flask, request: CoreRequest, environ: Environ) -> CoreContext:
    """Return the context that *app*'s own `request_context` method makes for *request*.

    Raises:
        TypeError: if the method returns anything but the context of this request.
    """
    translation.announce_arrival(environ, request)
    face = app.request_context(environ)
    core = core_of(face)
    if core is None or core.connection is not request:
        raise TypeError(
            f"Expected {type(app).__name__}.request_context to return the context of this"
            f" request, got {face!r}. Return what `super().request_context(environ)` returns."
        )
    # Keep the face alive until it is pushed: `_attach` keeps only a weak reference.
    cast(Any, core)._made_face = face
    if type(face).match_request is not _Face.match_request:
        cast(Any, core).match_request = face.match_request
    return core


def _application_context_of(app: Flask, core: CoreContext) -> Any:
    """Return the context that *app*'s own `app_context` method makes, as a face of *core*."""
    made = app.app_context()
    if isinstance(made, _Face):
        made._core = core
    return made


def _application_adapter(core: CoreContext) -> MapAdapter | None:
    """Return what binds the URL map to SERVER_NAME, which a `teardown_appcontext` function uses."""
    if _APPLICATION_ADAPTER not in core.__dict__:
        core.__dict__[_APPLICATION_ADAPTER] = core.app.create_url_adapter(None)
    return cast("MapAdapter | None", core.__dict__[_APPLICATION_ADAPTER])


def request_context(app: Any, environ: Environ) -> Any:
    """Return the context of the request in a WSGI *environ*."""
    if HAS_ONE_CONTEXT:
        return AppContext.from_environ(app, environ)
    return RequestContext(app, environ)


def _core_of_request(app: Flask, environ: Environ, request: object, session: Any) -> CoreContext:
    connection = translation.arrived(environ) or translation.connection_of(app, environ)
    if request is not None:
        wrappers.share(request, connection)
    core = CoreContext(_core_app(app), request=connection, session=session)
    if request is not None:
        core._connection_face = request
    return core


def _is_ours(app: object) -> bool:
    """Whether *app* is on the core; genuine Flask's applications have Flask's own contexts."""
    return issubclass(type(app), CoreQuart)


def _is_flasks(app: object) -> bool:
    """Whether *app* is a Flask application on the core, or a `QuartFace`."""
    return hasattr(app, "_core_app")


def _core_app(app: object) -> Any:
    return getattr(app, "_core_app", app)


def _attach(face: Any, core: CoreContext) -> None:
    face._core = core
    # Refer to the face weakly: a reference cycle would leave all of a request to the garbage
    # collector. Code that uses the face keeps it alive; while it is pushed, Flask's context
    # variable does.
    core._face = weakref.ref(face)


def core_of(context: Any) -> CoreContext | None:
    """Return the core's context behind *context*, or *context* if it is one; otherwise None."""
    if isinstance(context, _Face):
        return context._core
    return context if isinstance(context, CoreContext) else None


def face_of(core: CoreContext) -> Any:
    """Return the face of *core*: Flask's context for it."""
    known = core._face
    face = None if known is None else known()
    if face is None:
        cls = AppContext if core.connection is None else RequestContext
        face = object.__new__(cls)
        _attach(face, core)
    return face


def fill(core: CoreContext) -> tuple[Token[Any] | None, Token[Any] | None]:
    """Put *core*'s face into Flask's context variables."""
    face = face_of(core)
    if HAS_ONE_CONTEXT:
        return flask_cv_app.set(face), None
    # As with Flask, a request within its application's context uses that very object as its
    # application context. Flask-SQLAlchemy, for one, keeps a session for each such object. This
    # does not hold if a context of genuine Flask was entered in between.
    within = core._outer is not None and _is_within()
    if not (within or core._adapter_waits or core.connection is None):
        _make_application_adapter(core, face)
    app_token = None if within else flask_cv_app.set(face._of_application or face)
    if core.connection is None:
        return app_token, None
    return app_token, flask_cv_request.set(face)


def _make_application_adapter(core: CoreContext, face: Any) -> None:
    """Call an application's own `create_url_adapter` as Flask does, for the application's context.

    Flask does so when it pushes an application context before the request's. An application context
    that was pushed by itself has called it already. A context that the test client enters again
    after its request keeps its adapter.
    """
    app: Any = core.app
    if (
        not (core._tokens or core.handled)
        and face._of_application is None
        and _is_flasks(app)
        and not app._url_adapters.within(app)
    ):
        core.__dict__[_APPLICATION_ADAPTER] = app.create_url_adapter(None)


def _is_within() -> bool:
    """Whether Flask's current application context is a face that is still pushed."""
    current = flask_cv_app.get(None)
    return isinstance(current, _Face) and current._core.is_pushed


def empty(core: CoreContext, tokens: tuple[Token[Any] | None, Token[Any] | None]) -> None:
    app_token, request_token = tokens
    _reset(flask_cv_app, app_token)
    _reset(flask_cv_request, request_token)
    if core.connection is not None and not core._tokens:
        wrappers.let_go(core)


def _reset(variable: ContextVar[Any], token: Token[Any] | None) -> None:
    """Reset *variable* by *token*, unless the token was made in another Context."""
    if token is not None:
        try:  # noqa: SIM105  # `suppress` takes several calls, twice for each request
            variable.reset(token)
        except ValueError:
            pass


@contextmanager
def application_alone(core: CoreContext) -> Iterator[None]:
    """Hide the request from what belongs to the application's context.

    Flask 3.1 has two contexts. It pushes the request's last and pops it first: receivers of
    `appcontext_pushed` and `teardown_appcontext` functions find no request.
    """
    if core.connection is None:
        yield
        return
    token, (app_token, request_token) = core._tokens[-1]
    face = flask_cv_request.get(None)
    if request_token is not None:
        _reset(flask_cv_request, request_token)
    try:
        with core.hide_connection():
            yield
    finally:
        if request_token is not None:
            core._tokens[-1] = token, (app_token, flask_cv_request.set(face))
