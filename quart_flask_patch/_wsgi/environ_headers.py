"""What headers are called in a WSGI environ."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import Headers

from quart._formats.caching import kept


def add_headers(environ: dict[str, Any], headers: Headers) -> None:
    """Put *headers* into *environ*; several of one name become one."""
    for name, value in headers:
        key = key_of(name)
        if key in environ:
            environ[key] = joined(name, [environ[key], value])
        elif key is not None:
            environ[key] = value


def joined(name: str, values: list[str]) -> str:
    return (";" if name.lower() == "cookie" else ",").join(values)


# A server hears few names, and to make its key takes longer than to look one up.
@kept(512)
def key_of(name: str) -> str | None:
    """Return the environ's key of a header; None if it may not be there."""
    # With an underscore it could pass for another header, one that a proxy sets (CVE-2015-5146);
    # so could one with a letter whose capital is two, such as the German sharp s.
    if "_" in name or not name.isascii():
        return None
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
