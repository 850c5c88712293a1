"""Translate headers between a WSGI environ and a scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, overload

from werkzeug.datastructures import EnvironHeaders, Headers

from quart._formats.caching import kept
from quart._types import Environ


def add_headers(environ: Environ, headers: Headers) -> None:
    """Put *headers* into *environ*; several with one name are joined."""
    for name, value in headers:
        _add(environ, name, key_of(name), value)


def add_raw_headers(environ: dict[str, Any], headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Put the *headers* of a scope into *environ*."""
    for raw, value in headers:
        name = raw.decode("latin-1")
        _add(environ, name, key_of(name), value.decode("latin-1"))


def _add(environ: dict[str, Any], name: str, key: str | None, value: str) -> None:
    if key in environ:
        environ[key] = joined(name, [environ[key], value])
    elif key is not None:
        environ[key] = value


def joined(name: str, values: list[str]) -> str:
    return (";" if name.lower() == "cookie" else ",").join(values)


# Clients send few different names. Cost: "headers" in docs/performance.md.
@kept(512)
def key_of(name: str) -> str | None:
    """Return the environ's key for a header, or None for a header that must be dropped."""
    # A name with an underscore could pass for another header, one that a proxy sets
    # (CVE-2015-5146). So could one with a letter whose capital is two letters, such as the German
    # sharp s.
    if "_" in name or not name.isascii():
        return None
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


class ScopeHeaders(Sequence[tuple[bytes, bytes]]):
    """The headers of an environ as a scope has them, made when first read, which is rare."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    @cached_property
    def _made(self) -> list[tuple[bytes, bytes]]:
        headers = EnvironHeaders(self._environ)
        return [(name.lower().encode("latin-1"), _bytes(str(value))) for name, value in headers]

    @overload
    def __getitem__(self, index: int) -> tuple[bytes, bytes]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[bytes, bytes]]: ...

    def __getitem__(self, index: Any) -> object:
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)

    def __eq__(self, other: object) -> bool:
        return self._made == (other._made if isinstance(other, ScopeHeaders) else other)

    __hash__ = None  # type: ignore[assignment]  # as a list's

    def __repr__(self) -> str:
        return repr(self._made)


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        # A test wrote this: servers give latin-1 only.
        return value.encode()
