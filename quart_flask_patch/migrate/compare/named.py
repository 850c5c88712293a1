"""Differences that may be, by name.

The compatibility matrix uses this file too, without the package around it: it imports nothing but
the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A difference that may be: whatever *pattern* matches, in a line, is replaced by the name.

    *by*, where given, replaces the match instead, as in `re.sub`.
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
# Where what is named has not always the same length.
LENGTH = Named("length", r"(?<=^content-length: )\d+")

# What differs between any two servers.
ALWAYS = (
    Named("server", r"(?<=^server: ).*$"),
    # An ASGI server adds its own to one that Werkzeug gave a file's answer.
    Named("date", r"^date: .*$(\ndate: .*$)*", "date: <date>"),
    Named("methods in any order", r"(?<=^allow: ).*$", in_order),  # Werkzeug keeps a set
)
