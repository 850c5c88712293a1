"""A recorded request, and the error for what cannot be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, SplitResult, urlsplit

import click

METHOD = re.compile(r"[A-Z][A-Z-]{1,30}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
Headers = tuple[tuple[str, str], ...]


class CompareError(click.ClickException):
    """The comparison cannot be made; the command's exit status is 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request; each *client* has its own cookies."""

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
    """Requests in order; *skipped* counts those that were left out while reading."""

    kind: str
    requests: Iterator[Recorded]
    skipped: Counter[str] = field(default_factory=Counter)
    #: The host that the recorded requests were sent to.
    host: str = ""


def split(url: str) -> SplitResult:
    """Return the parts of *url*; those of nothing if it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def sendable(headers: Headers) -> Headers:
    """Return those of *headers* that can be sent, with values as the bytes that they were."""
    return tuple(
        (name, value.encode("utf-8", "replace").decode("latin-1"))
        for name, value in headers
        if _NAME.fullmatch(name) and not _CONTROL.search(value)
    )


def path_of(target: str) -> str | None:
    """Return the path and query of a request's *target*, or None if it cannot be sent."""
    if not target.startswith("/"):
        parts = split(target)
        if not parts.scheme.startswith("http") or not parts.netloc:
            return None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    safe = "/%?&=+;:@,.~!$'()*-_|[]{}^\"<>\\`"
    sent = quote(target.partition("#")[0], safe=safe, errors="replace")
    return sent.translate({ord(c): f"%{ord(c):02X}" for c in '"<>\\`{}|^'})
