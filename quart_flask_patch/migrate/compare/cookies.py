"""The cookies of one client on one side."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from .answers import Answer


@dataclass(frozen=True, slots=True)
class Cookie:
    """A `Set-Cookie` header, with its *attributes* by lower-case name."""

    name: str
    value: str
    attributes: dict[str, str]

    @property
    def path(self) -> str:
        return self.attributes.get("path") or "/"

    @property
    def is_over(self) -> bool:
        age = self.attributes.get("max-age", "")
        if age.lstrip("-").isdigit():
            return int(age) <= 0
        when = moment(self.attributes.get("expires", ""))
        return when is not None and when <= time.time()


def moment(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970, or None if *text* is no date."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def parsed(header: str) -> Cookie:
    first, *rest = header.split(";")
    name, _, value = first.partition("=")
    pairs = (part.partition("=") for part in rest if part.strip())
    attributes = {key.strip().lower(): text.strip() for key, _, text in pairs}
    return Cookie(name.strip(), value.strip(), attributes)


def cookies_of(answer: Answer) -> list[Cookie]:
    return [parsed(value) for value in answer.all("set-cookie")]


def sent_in(header: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in header.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass
class Jar:
    """Cookies by name and path; those that a side has set or deleted replace recorded ones."""

    kept: dict[tuple[str, str], str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def heed(self, answer: Answer) -> None:
        for cookie in cookies_of(answer):
            self.known.add(cookie.name)
            key = cookie.name, cookie.path
            if cookie.is_over:
                self.kept.pop(key, None)
            else:
                self.kept[key] = cookie.value

    def header(self, path: str, recorded: str) -> str:
        """Return the Cookie header for *path*; the longest paths come first, as in RFC 6265."""
        asked = path.partition("?")[0]
        fit = [key for key in self.kept if _covers(key[1], asked)]
        found = {name: value for name, value in sent_in(recorded).items() if name not in self.known}
        pairs = [(name, self.kept[name, at]) for name, at in sorted(fit, key=lambda k: -len(k[1]))]
        return "; ".join(f"{name}={value}" for name, value in [*pairs, *found.items()])

    def value(self, name: str) -> str:
        return next((value for (found, _), value in self.kept.items() if found == name), "")


def _covers(path: str, asked: str) -> bool:
    return asked == path or asked.startswith(path if path.endswith("/") else f"{path}/")
