"""The one context variable, and the proxies that users read.

Framework code takes the context as an argument; only users read proxies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, Generic, TYPE_CHECKING, TypeVar

from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from ._kind import Kind
    from .app import Quart
    from .ctx import _AppCtxGlobals, AppContext
    from .sessions import SessionMixin
    from .wrappers import Request, Websocket

    T = TypeVar("T")

    # To a type checker a proxy is the object behind it, with one more method.

    class _Proxy(Generic[T]):
        def _get_current_object(self) -> T: ...

    class AppContextProxy(AppContext, _Proxy[AppContext]): ...

    class QuartProxy(Quart, _Proxy[Quart]): ...

    class AppCtxGlobalsProxy(_AppCtxGlobals, _Proxy[_AppCtxGlobals]): ...

    class RequestProxy(Request, _Proxy[Request]): ...

    class WebsocketProxy(Websocket, _Proxy[Websocket]): ...

    class SessionProxy(SessionMixin, _Proxy[SessionMixin]): ...


_NO_APP = """Working outside of application context.

This needs the current application, and none is active here. Inside a request, a websocket or a CLI
command one is. Elsewhere, open one around this code: `async with app.app_context():`.
"""
_NO_REQUEST = """Working outside of request context.

This needs an active request, and none is being handled here. In a test, open one around this code:
`async with app.test_request_context("/"):`. In a background task, pass the values in instead.
"""
_NO_WEBSOCKET = """Working outside of websocket context.

This needs an active websocket, and none is being handled here. In a task that a handler starts,
wrap the function with `copy_current_websocket_context`.
"""

_cv_app: ContextVar[AppContext] = ContextVar("quart.app_ctx")


class _LocalProxy(LocalProxy[Any]):
    __slots__ = ()

    # Werkzeug's own goes through a descriptor, a partial and a hook. Cost: "proxy", as below.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._get_current_object(), name, value)

    def __contains__(self, key: object) -> bool:
        return key in self._get_current_object()

    def __getitem__(self, key: object) -> object:
        return self._get_current_object()[key]

    def __setitem__(self, key: object, value: object) -> None:
        self._get_current_object()[key] = value


class _RequestProxy(_LocalProxy):
    __slots__ = ()


class _WebsocketProxy(_LocalProxy):
    __slots__ = ()


def spell_out(proxy: object, kind: Kind, names: Iterable[str]) -> None:
    """Give *proxy*, which is for connections of this *kind*, a property for each of *names*.

    Python calls `__getattr__` only after a failed look-up. Cost: "proxy" in docs/performance.md.
    """
    for name in names:
        if not name.startswith("_") and not hasattr(_LocalProxy, name):
            setattr(type(proxy), name, property(_reader(kind, name)))


def _reader(kind: Kind, name: str) -> Callable[[Any], object]:
    value_of = attrgetter(name)

    def read(proxy: Any) -> object:
        ctx = _cv_app.get(None)
        if ctx is not None and ctx.kind is kind and not ctx._hides_connection:
            return value_of(ctx.connection)
        return value_of(proxy._get_current_object())

    return read


def _proxy(
    attribute: str | None, message: str, proxy_class: type[_LocalProxy] = _LocalProxy
) -> Any:
    return proxy_class(_cv_app, attribute, unbound_message=message)


app_ctx: AppContextProxy = _proxy(None, _NO_APP)
current_app: QuartProxy = _proxy("app", _NO_APP)
g: AppCtxGlobalsProxy = _proxy("g", _NO_APP)
request: RequestProxy = _proxy("request", _NO_REQUEST, _RequestProxy)
websocket: WebsocketProxy = _proxy("websocket", _NO_WEBSOCKET, _WebsocketProxy)
session: SessionProxy = _proxy("session", _NO_REQUEST)

# Earlier releases had a context and a variable for each kind of connection.
request_ctx = websocket_ctx = app_ctx
_cv_request = _cv_websocket = _cv_app
