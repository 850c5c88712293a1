"""A request's headers as WSGI code sees them; the environ is made only if many are read."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import EnvironHeaders, Headers

from quart._formats.caching import kept
from quart._formats.headers import text_of, Undecoded, values_of
from quart._types import Environ

from .._environs.environ_headers import add_headers, joined, key_of

#: The key in the instance dict of both faces; holds the async face's headers and Flask's for them.
HEADERS = "_flask_headers"


# Code asks for few different names. Cost: "headers" in docs/performance.md.
@kept(256)
def _names_of(key: str) -> tuple[str, bytes] | None:
    """Return the name of the header that *key* asks for, as text and as ASGI's bytes."""
    if not key.isascii():
        return None
    name = key.lower().replace("_", "-")
    return name, name.encode()


class RequestHeaders(EnvironHeaders):
    """The headers of *request*; its environ is made when somebody reads all of them."""

    environ: Environ

    def __init__(self, request: Any) -> None:
        Headers.__init__(self)
        self._request = request
        self._received: Headers = request.__dict__["headers"]

    def __getattr__(self, name: str) -> Any:
        if name != "environ":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if self._request is None:
            self.environ = {}
            add_headers(self.environ, self._received)
        else:
            self.environ = self._request.environ
        return self.environ

    def let_go(self) -> None:
        """Drop the reference to the request, which refers to these headers."""
        if self._request is not None and "environ" in self._request.__dict__:
            self.environ = self._request.environ
        self._request = None

    def _get_key(self, key: str) -> str:
        request, received = self._request, self._received
        if (
            request is None
            or type(received) is not Undecoded
            or type(key) is not str
            or "environ" in self.__dict__
            or "environ" in request.__dict__
            or (names := _names_of(key)) is None
        ):
            return super()._get_key(key)
        if received.are_plain():
            value = received.first.get(names[1])
            if value is not None:
                return text_of(value)
        elif (values := values_of(received, names[1])) is None:
            return super()._get_key(key)
        elif values:
            return joined(names[0], values)
        raise KeyError(key_of(names[0]))

    def getlist(self, key: str, type: Any = None) -> list[Any]:
        # Werkzeug reads cookies this way, and little else.
        if key.lower() == "cookie" and type is None:
            cookies = self.get(key)
            return [] if cookies is None else [cookies]
        return super().getlist(key, type)


def headers_of(request: object) -> Headers:
    """Return the headers of Flask's *request*."""
    state = request.__dict__
    received, known = state["headers"], state.get(HEADERS)
    # Somebody may have set other headers on the async face.
    if known is not None and known[0] is received:
        headers: Headers = known[1]
        return headers
    if isinstance(received, EnvironHeaders):
        return received
    known = state[HEADERS] = received, RequestHeaders(request)
    return known[1]


def value_that_came(request: object, name: bytes) -> str | None:
    """Return the header *name*, "" if there is none; None if only its headers can tell.

    Its headers are as they came, then, and need not be made. *name* is in lower case.
    """
    state = request.__dict__
    received = state["headers"]
    if type(received) is not Undecoded or "environ" in state or not received.are_plain():
        return None
    value = received.first.get(name)
    return "" if value is None else text_of(value)


def set_headers(request: object, headers: Headers) -> None:
    request.__dict__.update({"headers": headers, HEADERS: (headers, headers)})


def let_go(state: dict[str, Any]) -> None:
    """Break the reference cycle between the request with this instance dict and its headers."""
    known = state.get(HEADERS)
    if known is not None and isinstance(known[1], RequestHeaders):
        known[1].let_go()
