"""Headers, between the bytes of an ASGI message and Werkzeug's object."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequestKeyError

_MOST_DIGITS = len(str(sys.maxsize)) - 1
RawHeaders = Iterable[tuple[bytes, bytes]]

# Some expressions of Werkzeug's, those for cookies and media types, take time that grows with the
# square of a run of blanks: 64 KiB of them in a cookie would hold the event loop for a minute.
_MOST_BLANKS = 32
_MANY_BLANKS = re.compile(rb"([ \t]{%d})[ \t]+" % _MOST_BLANKS)
#: A header of this length has too few of them to matter.
_SHORT = 256


def text_of(value: bytes) -> str:
    """Return a header's *value* as text; of many blanks in a row, the first ones."""
    if len(value) > _SHORT and (b"  " in value or b"\t" in value):
        value = _MANY_BLANKS.sub(rb"\1", value)
    return value.decode("latin-1")


class _ListOnDemand:
    """Where Werkzeug keeps headers, filled when somebody looks there."""

    def __get__(self, headers: _Undecoded | None, owner: type[_Undecoded]) -> Any:
        if headers is None:
            return self
        # Its constructor looks for newlines in each value, which no server lets through.
        decoded = [(_spelled(key), text_of(value)) for key, value in headers.raw or ()]
        # The instance's own comes before this from here on.
        headers._list = decoded
        _become_ordinary(headers)
        return decoded


def _spelled(name: bytes) -> str:
    """Return *name* as Flask and Quart show it, `X-Real-Ip`."""
    # Of bytes, only ASCII letters are changed: no name becomes another one.
    return name.title().decode("latin-1")


class _Undecoded(Headers):
    """Headers as they came. They turn into ordinary ones when somebody looks at all of them.

    Most handlers ask for one or two, and decoding each costs more than matching the URL. The object
    changes its own class, and is not made by a property of the request: it is handed to Werkzeug's
    functions and kept by applications, and has to be a `Headers` from the beginning.
    """

    #: Names are in lower case, as the ASGI specification has it.
    raw: list[tuple[bytes, bytes]] | None
    #: The first value of each name. Some five are asked for, so a dict pays.
    first: dict[bytes, bytes]
    _in_lower_case: bool | None = None
    _list = cast("list[tuple[str, str]]", _ListOnDemand())

    def __init__(self, *args: Any) -> None:
        # A copy, which is made by way of the class.
        super().__init__(*args)
        _become_ordinary(self)

    def get(self, key: str, default: object = None, type: Any = None) -> object:  # type: ignore[override]  # its overloads
        if self.raw is None or not isinstance(key, str):
            return super().get(key, default, type)
        value = first_value(self, key.lower().encode("latin-1", "replace"))
        if value is None:
            # It may be there in another case, should the server not follow ASGI.
            return default if self.are_in_lower_case() else super().get(key, default, type)
        try:
            return value if type is None else type(value)
        except ValueError:
            return default

    def __getitem__(self, key: Any) -> Any:
        if self.raw is None or not isinstance(key, str):
            return super().__getitem__(key)
        if (value := self.get(key)) is None:
            raise BadRequestKeyError(key)  # As Werkzeug's.
        return value

    def __contains__(self, key: object) -> bool:
        if self.raw is None or not isinstance(key, str):
            return super().__contains__(cast(str, key))
        return self.get(key) is not None

    def __getattr__(self, name: str) -> dict[bytes, bytes]:
        if name != "first" or self.raw is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.first = _first_of(self.raw)
        return self.first

    def are_in_lower_case(self) -> bool:
        """Whether all names are, as ASGI has it."""
        if self._in_lower_case is None:
            names = b"".join(self.first)
            self._in_lower_case = names == names.lower()
        return self._in_lower_case

    def __eq__(self, other: object) -> bool:
        # Werkzeug compares with its own class only.
        self._list  # noqa: B018
        _become_ordinary(self)
        return self == other

    __hash__ = None


def _become_ordinary(headers: _Undecoded) -> None:
    headers.raw = None
    headers.__class__ = Headers  # type: ignore[assignment]  # what it inherits from, no more


def decode_headers(headers: RawHeaders) -> Headers:
    """Return an ASGI message's *headers*; any byte is accepted, as WSGI does."""
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


def headers_of_request(headers: RawHeaders) -> _Undecoded:
    """Return the same of a request; the names are in title case."""
    decoded = _Undecoded.__new__(_Undecoded)
    decoded.raw = raw = headers if type(headers) is list else list(headers)
    decoded.first = _first_of(raw)
    return decoded


def headers_of_websocket(headers: RawHeaders) -> Headers:
    """Return the same of a websocket: it lasts, so what finds a name is made when one is asked."""
    decoded = _Undecoded.__new__(_Undecoded)
    decoded.raw = headers if type(headers) is list else list(headers)
    return decoded


def _first_of(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    first = dict(raw)
    # Of one that came twice, that is the last value.
    return first if len(first) == len(raw) else dict(raw[::-1])


def first_value(headers: Headers, name: bytes) -> str | None:
    """Return the first value of *name*, which is in lower case, without decoding the others."""
    if type(headers) is not _Undecoded or headers.raw is None:
        return headers.get(name.decode("latin-1"))
    value = headers.first.get(name)
    if value is None:
        return None
    return value.decode("latin-1") if len(value) <= _SHORT else text_of(value)


def whole_number(text: str) -> int | None:
    """Return the number that a client has written, None if it is none.

    One that is larger than anything that could be counted is as large as can be: Python refuses to
    read thousands of digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return sys.maxsize if len(text) > _MOST_DIGITS else int(text)


def values_of(headers: Headers, name: bytes) -> list[str] | None:
    """Return all values of *name*, as `first_value`; None if the others have been decoded."""
    if type(headers) is not _Undecoded or headers.raw is None or not headers.are_in_lower_case():
        return None
    first = headers.first
    if len(first) == len(cast("list[object]", headers.raw)):
        return [text_of(first[name])] if name in first else []
    return [text_of(value) for found, value in headers.raw if found == name]


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return *headers* as an ASGI server wants them."""
    try:
        return [(_encode_name(name), value.encode("latin-1")) for name, value in headers]
    except UnicodeEncodeError:
        return [(_encode_name(name), _encode_value(value)) for name, value in headers]


# RFC 9110 section 5.1. Werkzeug looks for line breaks in values alone, and not every server checks.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


# The names are few and always the same.
@lru_cache(maxsize=256)
def _encode_name(name: str) -> bytes:
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"Expected the name of a header, of letters, digits and '-', but got {name!r}; do not"
            " make it of what a client has sent."
        )
    return name.lower().encode()


def _encode_value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
