"""Find and set the session's cookie, without parsing the other cookies."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie
from werkzeug.sansio import request as sansio_request, response as sansio_response
from werkzeug.sansio.request import Request
from werkzeug.sansio.response import Response

from .._stock import Stock
from .headers import first_value

_READING = Stock(
    Request, "cookies", "dict_storage_class", besides=[(sansio_request, ["parse_cookie"])]
)
_WRITING = Stock(
    Response,
    *("set_cookie", "vary"),
    besides=[(sansio_response, ["dump_cookie"]), (Headers, ["add"])],
)


def cookie_of(connection: Any, name: str) -> str | None:
    """Return the value of the first cookie of that *name*, None if there is none."""
    if isinstance(connection, Request) and _READING.within(connection):
        header = first_value(connection.headers, b"cookie")
        if header is None:
            return None
        value = _find(header, name)
        if value is not None:
            return value
    cookies: Any = connection.cookies
    return cookies.get(name)  # type: ignore[no-any-return]  # whose class anybody may choose


def _find(header: str, name: str) -> str | None:
    """Return the value if the first occurrence of *name* is that cookie, or None: then parse."""
    start = header.find(name)
    end = start + len(name)
    # A negative index would count from the end.
    if not (start == 0 or (start > 1 and header[start - 2 : start] == "; ")):
        return None
    if not header.startswith("=", end):
        return None
    # A quoted value may contain anything, and text that is not ASCII needs decoding.
    if '"' in header or not header.isascii():
        return None
    value = header[end + 1 :].partition(";")[0]
    return None if " " in value or "\t" in value else value


def is_ordinary(response: object) -> bool:
    """Whether *response* uses Werkzeug's own `set_cookie` and `Headers`."""
    return (
        isinstance(response, Response)
        and _WRITING.within(response)
        and type(response.headers) is Headers
    )


def vary_by_cookie(response: Any) -> None:
    """Tell caches that *response*, which is ordinary, depends on cookies."""
    # Most responses have no Vary header yet. Cost: "header set" in docs/performance.md.
    headers: list[tuple[str, str]] = response.headers._list
    for name, _ in headers:
        if name.lower() == "vary":
            response.vary.add("Cookie")
            return
    headers.append(("Vary", "Cookie"))


def set_cookie(
    response: Any, name: str, value: str, expires: datetime | str | None, **options: object
) -> None:
    """Set a cookie whose *value* needs no quotes, in a *response* that is ordinary."""
    if isinstance(expires, datetime):
        expires = expires.replace(microsecond=0)
    before, after = _around_value(name, expires=expires, **options)
    header = f"{before}{value}{after}"
    limit = response.max_cookie_size
    if limit and len(header) > limit:
        response.set_cookie(name, value, expires=expires, **options)  # This warns.
    else:
        response.headers._list.append(("Set-Cookie", header))


# Cached, as it stays the same, except for a permanent session's second of expiry. Typed, as a flag
# that is 1 is written differently from True.
@lru_cache(maxsize=64, typed=True)
def _around_value(name: str, **options: Any) -> tuple[str, str]:
    """Return the parts of a Set-Cookie header before and after the value."""
    header = dump_cookie(name, max_size=0, **options)
    Headers().add("Set-Cookie", header)  # This looks for line breaks.
    end = len(name.encode()) + 1
    return header[:end], header[end:]
