"""Headers, between the bytes of an ASGI message and Werkzeug's object."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Headers

RawHeaders = Iterable[tuple[bytes, bytes]]


class _Undecoded(Headers):
    """Headers as they came, which turn into ordinary ones when somebody looks at them.

    Most handlers look at none, and decoding all of them costs more than matching the URL.
    """

    def __getattr__(self, name: str) -> Any:
        raw = self.__dict__.pop("raw", None) if name == "_list" else None
        if raw is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )
        # Its constructor looks for newlines in each value, which no server lets through.
        self._list = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in raw]
        self.__class__ = Headers  # type: ignore[assignment]  # the same, less this method
        return self._list

    def __eq__(self, other: object) -> bool:
        # Werkzeug compares with its own class only.
        self._list  # noqa: B018
        self.__class__ = Headers  # type: ignore[assignment]  # as above
        return self == other

    __hash__ = None


def decode_headers(headers: RawHeaders) -> Headers:
    """Return an ASGI message's *headers*; any byte is accepted, as WSGI does."""
    decoded = Headers.__new__(_Undecoded)
    decoded.__dict__["raw"] = headers if type(headers) is list else list(headers)
    return decoded


def first_value(headers: Headers, name: bytes) -> str | None:
    """Return the first value of *name* without decoding the other headers.

    *name* is in lower case, as the ASGI specification has it of all names.
    """
    raw = headers.__dict__.get("raw")
    if raw is None:
        return headers.get(name.decode())
    for key, value in raw:
        if key == name:
            return str(value, "latin-1")
    return None


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return *headers* as an ASGI server wants them."""
    try:
        return [(_encode_name(name), value.encode("latin-1")) for name, value in headers]
    except UnicodeEncodeError:
        return [(_encode_name(name), _encode_value(value)) for name, value in headers]


# The names are few and always the same.
@lru_cache(maxsize=256)
def _encode_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def _encode_value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
