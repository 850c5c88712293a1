"""Check which sites' pages may open websockets: the configuration key WEBSOCKET_ORIGINS.

A browser lets a page of any site open a websocket to any other site, and sends that site's cookies.
The Origin header names the site of the page, and no page can change it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TYPE_CHECKING

from werkzeug.exceptions import Forbidden, HTTPException

from .._types import Message, Receive, Scope, Send
from .outbound import refuse

if TYPE_CHECKING:
    from ..app import Quart

KEY = "WEBSOCKET_ORIGINS"
#: Values of the key: the application's own site; and what a browser sends for no site.
SAME, NO_SITE = "same", "null"

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s/?#@:*\[\]]+|\[[0-9a-f:.]+\])(?::([0-9]*))?")
_SCHEMES = {"ws": "http", "wss": "https"}
_PORTS = {"http": "80", "https": "443"}


def check(app: Quart) -> None:
    """Check the value of the key in the configuration of *app*.

    Raises:
        ValueError: if the value is not valid.
    """
    _allowed(app)


def _allowed(app: Quart) -> list[str] | None:
    configured: str | Iterable[str] | None = app.config[KEY]
    if configured is None:
        return None
    values = [configured] if isinstance(configured, str) else list(configured)
    return [_configured(value) for value in values]


def _configured(value: str) -> str:
    found = value if value in (SAME, NO_SITE) else _normal(value.removesuffix("/"))
    if found is None:
        raise ValueError(
            f"Expected app.config[{KEY!r}] to be None, 'same', or a list of 'same', 'null' and"
            f" origins, got {value!r}. An origin is such as 'https://example.com' or"
            " 'http://localhost:8000', with neither a path nor a '*'."
        )
    return found


def _normal(origin: str) -> str | None:
    """Return *origin* in its one normal spelling, or None if it is no origin."""
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    scheme = _SCHEMES.get(scheme, scheme)
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return None
    return f"{scheme}://{host}" + (f":{port}" if port and port != _PORTS.get(scheme) else "")


async def serve(app: Quart, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a websocket if its page's site may open it; refuse it otherwise."""
    connection: Any = app.asgi_websocket_class(app, scope)
    allowed = _allowed(app)
    if allowed is None:
        await connection(receive, send)
        return
    origins = [value for name, value in scope["headers"] if name.lower() == b"origin"]
    if not origins or (len(origins) == 1 and _is_allowed(app, scope, allowed, origins[0])):
        await connection(receive, send)
        return
    app.logger.warning(
        "A websocket to %.200r was refused (403), as its Origin %.200r is not one of %s.",
        scope["path"],
        b", ".join(origins).decode("latin-1"),
        KEY,
    )
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await refuse(scope, receive, send, 403, headers, Forbidden().get_body().encode())


def _is_allowed(app: Quart, scope: Scope, allowed: list[str], header: bytes) -> bool:
    value = header.decode("latin-1")
    origin = NO_SITE if value == NO_SITE else _normal(value)
    if origin is None:
        return False
    return origin in allowed or (SAME in allowed and origin == _own(app, scope))


async def _unsent(message: Message) -> None:
    """Send nothing: the websocket is made only to build URLs."""


def _own(app: Quart, scope: Scope) -> str | None:
    """Return the origin of the URLs that `url_for` makes."""
    websocket = app.asgi_websocket_class(app, scope)._create_websocket_from_scope(_unsent)
    try:
        adapter = app._context_for(websocket).url_adapter
    except HTTPException:  # The host is not in TRUSTED_HOSTS.
        return None
    if adapter is None:
        return None
    return _normal(f"{adapter.url_scheme}://{adapter.get_host(None)}")
