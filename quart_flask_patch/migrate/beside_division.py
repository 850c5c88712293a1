"""Decide which of the two applications answers a request."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from quart._types import Scope

Side = Literal["old", "new"]
#: The name of the header, and of the cookie, by which a client chooses. The cookie also keeps a
#: client with the application that chance has chosen.
HEADER, COOKIE = b"x-beside", "beside"
#: The number of steps in a share.
PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Choice:
    side: Side
    #: The value to set for the client's cookie, if it has none.
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of `fnmatch` for paths or endpoints, and the share that the new one gets."""

    pattern: str
    share: float

    def matches(self, path: str, endpoint: str | None) -> bool:
        if self.pattern.startswith("/"):
            return fnmatchcase(path, self.pattern)
        return endpoint is not None and fnmatchcase(endpoint, self.pattern)


def share_of(value: str | float) -> float:
    """Read a share: `old`, `new`, `5%`, or a number from 0 to 1.

    Raises:
        ValueError: if it is none of these.
    """
    text = str(value).strip()
    named = {"old": 0.0, "new": 1.0}
    try:
        share = named[text] if text in named else _number(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(
            f"Expected 'old', 'new', a percentage as '5%' or a number from 0 to 1, got {value!r}:"
            " the share of requests that the new application gets."
        )
    return share


def _number(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def rules_of(given: Mapping[str, str | float]) -> list[Rule]:
    return [Rule(pattern, share_of(share)) for pattern, share in given.items()]


class Division:
    """The rules in their order, and the share for everything that no rule matches."""

    def __init__(self, rules: Iterable[Rule], share: float, by_hand: bool) -> None:
        self._rules, self._share, self._by_hand = list(rules), share, by_hand

    def choose(self, scope: Scope, path: str, endpoint: str | None) -> Choice:
        cookie = _cookie_of(scope)
        if self._by_hand:
            for chosen in _header_of(scope), cookie:
                if chosen == "old" or chosen == "new":
                    return Choice("old" if chosen == "old" else "new")
        share = next(
            (rule.share for rule in self._rules if rule.matches(path, endpoint)), self._share
        )
        if endpoint is None or share == 0:
            # The new application has no such URL, so do not leave it to chance.
            return Choice("new" if share == 1 else "old")
        if share == 1:
            return Choice("new")
        part = int(cookie) if _is_part(cookie) else None
        drawn = secrets.randbelow(PARTS) if part is None else part
        side: Side = "new" if drawn < share * PARTS else "old"
        return Choice(side, str(drawn) if part is None else None)

    def refuses_websocket(self, scope: Scope, path: str, endpoint: str | None) -> bool:
        """Whether to refuse a websocket, as it is for the old application, which has none."""
        if self._by_hand and "old" in (_header_of(scope), _cookie_of(scope)):
            return True
        rule = next((rule for rule in self._rules if rule.matches(path, endpoint)), None)
        return rule is not None and rule.share == 0


def _is_part(cookie: str) -> bool:
    return cookie.isascii() and cookie.isdigit() and len(cookie) < 5


def _header_of(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name.lower() == HEADER]
    return values[0].decode("latin-1").strip().lower() if len(values) == 1 else ""


def _cookie_of(scope: Scope) -> str:
    sent = [
        value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"cookie"
    ]
    for part in ";".join(sent).split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip().strip('"')
    return ""


def endpoint_of(url_map: Map, scope: Scope, path: str) -> str | None:
    """Return the new application's endpoint for the URL, or None."""
    hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
    host = hosts[0].decode("latin-1") if hosts and url_map.host_matching else "localhost"
    adapter = url_map.bind(host)
    method = scope.get("method", "GET")
    try:
        if scope["type"] == "websocket":
            return str(adapter.match(path, websocket=True)[0])
        return str(adapter.match(path, method)[0])
    except RequestRedirect:
        # The new application redirects, so it has the URL.
        return ""
    except HTTPException:
        return None
