"""Read the path and the scheme of a connection from its scope."""

from __future__ import annotations

import re

from .._types import Scope

_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
#: The path for requests outside of the root path: no rule can match it.
NOWHERE = " "


def path_within_root(scope: Scope) -> str | None:
    """Return the path below ``root_path``, or None if it is not below it.

    ASGI says that ``path`` includes ``root_path``; some servers do not follow it.
    """
    target: str = scope["path"]
    if not target.isascii():
        # Some servers mark a byte that is no UTF-8 by a lone surrogate, which could not be sent
        # back.
        target = target.encode(errors="surrogatepass").decode(errors="replace")
    path = target if target[:1] == "/" else _path_of_target(target)
    root: str = scope.get("root_path") or ""
    if path is not None and root and (root := root.rstrip("/")):
        rest = path.removeprefix(root)
        if rest == path or (rest and not rest.startswith("/")):
            return None
        return rest or "/"
    return path


# The host in a URL, and its port. Only an IPv6 address has brackets.
_AUTHORITY = re.compile(r"[^\[\]]+|[^\[\]]*\[[^\[\]]+\](?::\d*)?")


def _path_of_target(target: str) -> str | None:
    """Return the path of an absolute target, `GET http://host/path`: RFC 9112 section 3.2.2.

    None if its host is not valid. The server has removed the query and decoded the rest, so what
    looks like a query or a fragment was percent-encoded and belongs to the path.
    """
    _, is_absolute, rest = target.partition("://")
    if not is_absolute:
        return target or "/"
    host, slash, path = rest.partition("/")
    return slash + path or "/" if _AUTHORITY.fullmatch(host) else None


def http_scheme(scope: Scope) -> str:
    """Return a request's scheme; a proxy may have named it as a websocket's."""
    scheme: str = scope.get("scheme", "http")
    return _HTTP_SCHEMES.get(scheme, scheme)


def websocket_scheme(scope: Scope) -> str:
    """Return a websocket's scheme; a proxy may have named it as a request's."""
    return "wss" if scope.get("scheme", "ws").lower() in {"wss", "https"} else "ws"
