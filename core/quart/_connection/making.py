"""Making the request of a server's connection.

What Python does to call a class with keywords, and then `super()`, takes longer than all else that
it takes to make a request. So one is made by ``maker_of(cls)(cls, ...)``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TYPE_CHECKING

from werkzeug.datastructures import Headers

from .._stock import Stock
from ..wrappers.base import BaseRequestWebsocket
from ..wrappers.request import Request

if TYPE_CHECKING:
    from hypercorn.typing import HTTPScope

_MAKING = Stock(Request, "__init__", "__new__", besides=[(BaseRequestWebsocket, ["__init__"])])
_new, _init_handshake = object.__new__, BaseRequestWebsocket.__init__


def maker_of(cls: type[Request]) -> Callable[..., Request]:
    """Return what makes a *cls*, its first argument, of positional arguments: see `_make`."""
    return _make if type(cls) is type and _MAKING.of(cls) else _call


def _make(
    cls: type[Request],
    method: str,
    scheme: str,
    path: str,
    query_string: bytes,
    headers: Headers,
    root_path: str,
    http_version: str,
    scope: HTTPScope,
    body_timeout: float | None,
    send_push_promise: Callable[[str, Headers], Awaitable[None]],
) -> Request:
    """Do what `Request.__init__` does."""
    request = _new(cls)
    _init_handshake(
        request, method, scheme, path, query_string, headers, root_path, http_version, scope
    )
    request.body_timeout = body_timeout
    request._send_push_promise = send_push_promise
    return request


def _call(cls: type[Request], *args: Any) -> Request:
    *positional, body_timeout, send_push_promise = args
    return cls(*positional, body_timeout=body_timeout, send_push_promise=send_push_promise)
