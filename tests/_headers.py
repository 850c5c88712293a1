"""Headers that may confuse a reader, and ways to read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from([b"host", b"x-real-ip", b"x_real_ip", b"x-a1b", b"X-Odd", b"pa\xdf", b""])
ASKED = [
    "Host",
    "x-real-ip",
    "X_REAL_IP",
    "X-A1b",
    "x-odd",
    "Pa\xdf",
    "pass",
    "",
    "\u0130",
    "h\u212a",
]
RAW = st.lists(st.tuples(NAMES, st.binary(max_size=3)), max_size=5)
LOOKS: dict[str, Callable[[Any, str], Any]] = {
    "get": lambda headers, name: headers.get(name),
    "get as a number": lambda headers, name: headers.get(name, "none", int),
    "item": lambda headers, name: headers[name],
    "in": lambda headers, name: name in headers,
    "list": lambda headers, name: headers.getlist(name),
    "all": lambda headers, name: list(headers),
    "length": lambda headers, name: len(headers),
    "keys": lambda headers, name: list(headers.keys()),
    "text": lambda headers, name: str(headers),
    "by number": lambda headers, name: headers[0],
    "by another key": lambda headers, name: headers.get(None),
}


def result_of(func: Any, *args: Any) -> Any:
    try:
        return func(*args)
    except Exception as error:
        return type(error)
