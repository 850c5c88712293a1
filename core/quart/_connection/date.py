"""Know which servers add a `Date` to each response, so that ours would be a second one."""

from __future__ import annotations

from .._types import Send

RawHeaders = list[tuple[bytes, bytes]]


def one_date(headers: RawHeaders, send: Send) -> RawHeaders:
    """Return *headers* without a date, if the server whose *send* this is adds one.

    RFC 9110, section 5.3, allows only one such header. Middleware between the server and the
    application may have its own *send*; then nobody knows what the server does, and the date stays.
    """
    for name, _ in headers:
        if name == b"date" and _adds_date(send):
            return [header for header in headers if header[0] != b"date"]
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
