"""Leave out of a response the headers that its server writes itself."""

from __future__ import annotations

from .._types import Send

RawHeaders = list[tuple[bytes, bytes]]
_SEARCHED = frozenset({b"date", b"transfer-encoding"})


def for_server(headers: RawHeaders, send: Send) -> RawHeaders:
    """Return *headers* without those that the server whose *send* this is writes itself.

    A `Transfer-Encoding` says how the bytes travel, which the server decides. ASGI allows an
    application to send one and tells servers to ignore it; some answer with an error, or with
    nothing. Views that pass on what another server has answered send it.

    A `Date` is left out if the server adds one: RFC 9110, section 5.3, allows only one such header.
    Middleware between the server and the application may have its own *send*; then nobody knows
    what the server does, and the date stays.
    """
    for name, _ in headers:
        if name in _SEARCHED:
            left_out = _SEARCHED if _adds_date(send) else (b"transfer-encoding",)
            return [header for header in headers if header[0] not in left_out]
    return headers


def _adds_date(send: Send) -> bool:
    stream, server = _behind(send)
    while server == __name__.partition(".")[0]:
        stream, server = _behind(getattr(stream, "_send", None))
    if server == "hypercorn":
        return bool(getattr(getattr(stream, "config", None), "include_date_header", False))
    if server == "uvicorn":
        return any(name == b"date" for name, _ in getattr(stream, "default_headers", ()))
    return False


def _behind(send: object) -> tuple[object, str]:
    """Return the object that *send* is a method of, and the package of that object."""
    stream = getattr(send, "__self__", None)
    return stream, type(stream).__module__.partition(".")[0]
