"""Differences that are allowed, by name.

The compatibility matrix uses this file without its package, so it imports only the standard
library.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """An allowed difference: the name replaces whatever *pattern* matches in a line.

    If *by* is given, it replaces the match instead, as in `re.sub`.
    """

    name: str
    pattern: str
    by: str | Callable[[re.Match[str]], str] | None = None

    def apply(self, text: str) -> str:
        by = f"<{self.name}>" if self.by is None else self.by
        return re.sub(self.pattern, by, text, flags=re.MULTILINE)


def in_order(match: re.Match[str]) -> str:
    return ", ".join(sorted(match[0].split(", ")))


SIGNED_AT = Named(
    "signed timestamp", r"(?<=\.)[\w-]{6}\.[\w-]{27}(?![\w-])", r"<timestamp>.<signature>"
)
EXPIRES = Named("expires", r"(?i)(?<=expires[=:]) ?[^;\n]+GMT")
# For values whose length varies.
LENGTH = Named("length", r"(?<=^content-length: )\d+")

# Headers that differ between servers.
ALWAYS = (
    Named("server", r"(?<=^server: ).*$"),
    # An ASGI server adds its own to one that Werkzeug gave a file's answer.
    Named("date", r"^date: .*$(\ndate: .*$)*", "date: <date>"),
    Named("methods in any order", r"(?<=^allow: ).*$", in_order),  # Werkzeug keeps a set
)
