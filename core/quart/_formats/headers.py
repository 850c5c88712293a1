"""Convert headers between the bytes of an ASGI message and Werkzeug's object."""

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

# Some of Werkzeug's regular expressions, those for cookies and media types, take time that grows
# with the square of a run of blanks: 64 KiB of them in a cookie would hold the event loop for a
# minute.
_MOST_BLANKS = 32
_MANY_BLANKS = re.compile(rb"([ \t]{%d})[ \t]+" % _MOST_BLANKS)
#: A header up to this length has too few blanks to matter.
_SHORT = 256


def text_of(value: bytes) -> str:
    """Return a header's *value* as text, with long runs of blanks cut."""
    if len(value) > _SHORT and (b"  " in value or b"\t" in value):
        value = _MANY_BLANKS.sub(rb"\1", value)
    return value.decode("latin-1")


class _ListOnDemand:
    """Stands for the list in which Werkzeug keeps headers, and is filled on first access."""

    def __get__(self, headers: Undecoded | None, owner: type[Undecoded]) -> Any:
        if headers is None:
            return self
        # Skip the constructor, which looks for newlines in each value: no server lets these
        # through.
        decoded = [(_spelled(key), text_of(value)) for key, value in headers.raw or ()]
        # From now on the instance's own attribute comes before this.
        headers._list = decoded
        _become_ordinary(headers)
        return decoded


def _spelled(name: bytes) -> str:
    """Return *name* in the spelling of Flask and Quart, such as `X-Real-Ip`."""
    # `title` of bytes changes only ASCII letters, so no name becomes another one.
    return name.title().decode("latin-1")


class Undecoded(Headers):
    """Headers as they came; they become ordinary ones when somebody reads all of them.

    Most handlers read one or two headers. Cost of decoding: "headers" in docs/performance.md. The
    object changes its own class then. It cannot be made lazily by a property of the request, since
    applications keep it and pass it to Werkzeug's functions: it has to be a `Headers` from the
    beginning.
    """

    #: The headers of the message; the ASGI specification says that names are in lower case.
    raw: list[tuple[bytes, bytes]] | None
    #: The first value of each name. About five are read for each request, so a dict pays off.
    first: dict[bytes, bytes]
    _in_lower_case: bool | None = None
    _are_plain: bool | None = None
    _list = cast("list[tuple[str, str]]", _ListOnDemand())

    def __init__(self, *args: Any) -> None:
        # This makes a copy through the class.
        super().__init__(*args)
        _become_ordinary(self)

    def get(self, key: str, default: object = None, type: Any = None) -> object:  # type: ignore[override]  # its overloads
        if self.raw is None or not isinstance(key, str):
            return super().get(key, default, type)
        value = first_value(self, key.lower().encode("latin-1", "replace"))
        if value is None:
            # The server may not follow ASGI, and send the name in another case.
            return default if self.are_in_lower_case() else super().get(key, default, type)
        try:
            return value if type is None else type(value)
        except ValueError:
            return default

    def __getitem__(self, key: Any) -> Any:
        if self.raw is None or not isinstance(key, str):
            return super().__getitem__(key)
        if (value := self.get(key)) is None:
            raise BadRequestKeyError(key)  # As Werkzeug does.
        return value

    def __contains__(self, key: object) -> bool:
        if self.raw is None or not isinstance(key, str):
            return super().__contains__(cast(str, key))
        return self.get(key) is not None

    def are_in_lower_case(self) -> bool:
        """Whether all names are in lower case, as ASGI demands."""
        if self._in_lower_case is None:
            names = b"".join(self.first)
            self._in_lower_case = names == names.lower()
        return self._in_lower_case

    def are_plain(self) -> bool:
        """Whether each name is there once, and in lower case: then `first` has all of them."""
        if self._are_plain is None:
            each_once = len(self.first) == len(self.raw or ())
            self._are_plain = each_once and self.are_in_lower_case()
        return self._are_plain

    def __eq__(self, other: object) -> bool:
        # Werkzeug's `__eq__` compares with its own class only.
        self._list  # noqa: B018
        _become_ordinary(self)
        return self == other

    __hash__ = None


def _become_ordinary(headers: Undecoded) -> None:
    headers.raw = None
    headers.__class__ = Headers  # type: ignore[assignment]  # what it inherits from, no more


def decode_headers(headers: RawHeaders) -> Headers:
    """Return an ASGI message's *headers*, decoded as latin-1: any byte is valid, as in WSGI."""
    return Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])


def headers_of_request(headers: RawHeaders) -> Undecoded:
    """Return the headers of a request or a websocket; their names are in title case."""
    decoded = object.__new__(Undecoded)
    decoded.raw = raw = headers if type(headers) is list else list(headers)
    first = dict(raw)
    # If a name came twice, the dict has its last value.
    decoded.first = first if len(first) == len(raw) else dict(raw[::-1])
    return decoded


def first_value(headers: Headers, name: bytes) -> str | None:
    """Return the first value of *name*, which is in lower case, without decoding the others."""
    if type(headers) is not Undecoded:
        return headers.get(name.decode("latin-1"))
    value = headers.first.get(name)
    if value is None:
        return None
    return value.decode("latin-1") if len(value) <= _SHORT else text_of(value)


def whole_number(text: str) -> int | None:
    """Return the whole number that a client has written, or None if *text* is none.

    A number with thousands of digits, which Python refuses to read, becomes the largest that can be
    counted.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return sys.maxsize if len(text) > _MOST_DIGITS else int(text)


def values_of(headers: Headers, name: bytes) -> list[str] | None:
    """Return all values of *name* as text; None if the headers were decoded, so look there."""
    if type(headers) is not Undecoded or not headers.are_in_lower_case():
        return None
    return [text_of(value) for found, value in headers.raw or () if found == name]


def encode_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return *headers* as an ASGI message has them."""
    try:
        return [(_encode_name(name), value.encode("latin-1")) for name, value in headers]
    except UnicodeEncodeError:
        return [(_encode_name(name), _encode_value(value)) for name, value in headers]


# RFC 9110 section 5.1. Werkzeug checks only values for line breaks, and some servers check nothing.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


# Cached, as applications set few different names.
@lru_cache(maxsize=256)
def _encode_name(name: str) -> bytes:
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            f"Expected the name of a header, of letters, digits and '-', got {name!r}. Do not"
            " make it from what a client has sent."
        )
    return name.lower().encode()


def _encode_value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()
