"""What may differ: the names that always apply, and the rules that you add."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, UTC
from pathlib import Path

from .cookies import moment
from .named import Named
from .recorded import CompareError

#: A time within this of now counts as now, since it may be in any time zone.
AROUND_NOW = 26 * 3600
#: Headers that differ between servers, or that belong to the connection.
NOT_COMPARED = frozenset({"date", "server", "set-cookie", "content-length", "via"})
#: Headers whose words may be in any order.
SETS = frozenset(
    {
        *("allow", "vary", "access-control-allow-methods", "access-control-allow-headers"),
        "access-control-expose-headers",
    }
)


def is_now(seconds: float | None) -> bool:
    return seconds is not None and abs(seconds - time.time()) < AROUND_NOW


def _iso(found: re.Match[str]) -> str:
    try:
        when = datetime.fromisoformat(found[0])
    except ValueError:
        return found[0]
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return "<time>" if is_now(aware.timestamp()) else found[0]


def _http(found: re.Match[str]) -> str:
    return "<time>" if is_now(moment(found[0])) else found[0]


def _epoch(found: re.Match[str]) -> str:
    digits = found[0].partition(".")[0]
    return "<time>" if is_now(int(digits[:10])) else found[0]


_KEY = r"(?:csrf|xsrf|token|nonce|secret|signature|state|jti|salt)"
#: By name, so that the rule `without NAME` can remove one.
DEFAULTS: dict[str, tuple[Named, ...]] = {
    "tokens": (
        Named("jwt", r"\beyJ[\w-]{8,}\.eyJ[\w-]*\.[\w-]*"),
        Named("signed", r"(?<![\w.-])\.?[\w-]{4,}\.[\w-]{6}\.[\w-]{27}(?![\w-])"),
        # The signed content is compared, without its time.
        Named("signature", r"(?<=[\w-]{4}\.)[\w-]{27}(?![\w-])"),
        Named("hash", r"\b(?:scrypt|pbkdf2)(?::\w+)+\$\w+\$[0-9a-f]+"),
        Named(
            "token",
            rf"(?i)((?<![\w-])[\w-]*{_KEY}[\w-]*[\"']?\s*(?:[:=]|value=|content=)\s*[\"']?)"
            r"(?=[^\"'\s<>&]{0,200}(?:\d|(?-i:[a-z][A-Z])))[\w+/=.%!~-]{16,}",
            r"\1<token>",
        ),
    ),
    "ids": (
        Named("uuid", r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
        Named("hex", r"(?i)(?<![0-9a-z])(?=[0-9a-f]*[0-9])(?:[0-9a-f]{32,})(?![0-9a-z])"),
        Named("address", r"\b0x[0-9a-fA-F]{6,16}\b"),
    ),
    "nonces": (Named("nonce", r"(?<=nonce-)[\w+/=-]+|(?<=nonce=\")[^\"]+"),),
    "dates": (
        Named(
            "time",
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?",
            _iso,
        ),
        Named("time", r"\b[A-Z][a-z]{2}, \d\d[ -][A-Z][a-z]{2}[ -]\d{4} \d\d:\d\d:\d\d GMT", _http),
        Named("time", r"(?<![\w.-])1\d{9}(?:\d{3})?(?:\.\d{1,9})?(?![\w.-])", _epoch),
    ),
}
#: Headers that contain a duration.
TIMINGS = frozenset(
    {"server-timing", "x-runtime", "x-response-time", "x-process-time", "x-request-duration"}
)
_GRAMMAR = (
    "'header NAME', 'cookie NAME', 'json KEY', 'request PATTERN', 'text NAME = PATTERN', or"
    " 'without " + "|".join([*DEFAULTS, "timings"]) + "'"
)


@dataclass
class Rules:
    """What a comparison ignores."""

    headers: frozenset[str] = TIMINGS
    cookies: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    requests: tuple[re.Pattern[str], ...] = ()
    texts: tuple[tuple[str, Named], ...] = field(
        default_factory=lambda: tuple((n, each) for n, named in DEFAULTS.items() for each in named)
    )

    def normal(self, text: str, literals: Mapping[str, str], hits: set[str]) -> str:
        """Return *text* with allowed differences replaced by names; add those names to *hits*."""
        for literal, name in literals.items():
            if literal in text:
                text = text.replace(literal, f"<{name}>")
                hits.add(name)
        for name, named in self.texts:
            replaced = named.apply(text)
            if replaced != text:
                hits.add(name)
                text = replaced
        return text

    def passes_over(self, path: str) -> bool:
        return any(pattern.search(path) for pattern in self.requests)


def rules_of(lines: Iterable[str], file: Path | None) -> Rules:
    """Return the rules from the command line and from *file*, which has one rule per line."""
    numbered = [(line, "--rule") for line in lines]
    if file is not None:
        read = file.read_text("utf-8").splitlines()
        numbered += [(line, f"{file}:{number}") for number, line in enumerate(read, 1)]
    rules = Rules()
    for line, place in numbered:
        if line.strip() and not line.lstrip().startswith("#"):
            _add(rules, line.strip(), place)
    return rules


def _add(rules: Rules, line: str, place: str) -> None:
    kind, _, rest = line.partition(" ")
    rest = rest.strip()
    name, equals, pattern = rest.partition("=")
    if kind == "header" and rest:
        rules.headers |= {rest.lower()}
    elif kind == "cookie" and rest:
        rules.cookies |= {rest}
    elif kind == "json" and rest:
        rules.keys |= {rest}
    elif kind == "request" and rest:
        rules.requests += (_compiled(rest, place),)
    elif kind == "text" and equals and name.strip():
        named = Named(name.strip(), _compiled(pattern.strip(), place).pattern)
        rules.texts = ((named.name, named), *rules.texts)
    elif kind == "without" and rest in {*DEFAULTS, "timings"}:
        rules.texts = tuple(each for each in rules.texts if each[0] != rest)
        rules.headers -= TIMINGS if rest == "timings" else frozenset()
    else:
        raise CompareError(f"{place}: expected a rule: {_GRAMMAR}; got {line!r}")


def _compiled(pattern: str, place: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise CompareError(
            f"{place}: expected a regular expression, got {pattern!r}: {error}"
        ) from None
