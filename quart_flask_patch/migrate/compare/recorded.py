"""One request as it was recorded, and what is said where requests cannot be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import click

METHOD = re.compile(r"[A-Z][A-Z-]{1,30}")
Headers = tuple[tuple[str, str], ...]


class CompareError(click.ClickException):
    """What was given cannot be compared; the status says that nothing was found out."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request; *client* is who sent it: each has cookies of its own."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes | None = None
    client: str = ""
    place: str = ""

    def header(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name), "")


@dataclass
class Source:
    """Requests in their order; *skipped* counts what was passed over while they are read."""

    kind: str
    requests: Iterator[Recorded]
    skipped: Counter[str] = field(default_factory=Counter)
    #: Whom recorded requests were sent to.
    host: str = ""


def path_of(target: str) -> str | None:
    """Return the path and query of a request's *target*, or None if it cannot be sent."""
    if not target.startswith("/"):
        parts = urlsplit(target)
        if not parts.scheme.startswith("http") or not parts.netloc:
            return None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = quote(target.partition("#")[0], safe="/%?&=+;:@,.~!$'()*-_|[]{}^\"<>\\`")
    return sent.translate({ord(c): f"%{ord(c):02X}" for c in '"<>\\`{}|^'})
