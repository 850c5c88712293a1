"""Read requests from an access log (common or combined) of Apache, nginx or gunicorn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from .recorded import METHOD, path_of, Recorded

#: Client, identity, user, time, request line, status, size, and the combined log's extra fields.
LINE = re.compile(
    r'(?P<client>\S+) \S+ .*?\[[^\]]*\] "(?P<request>(?:[^"\\]|\\.)*)" \d{3} \S+'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
_HEADERS = (("Referer", "referer"), ("User-Agent", "agent"))


def from_log(lines: Iterable[str], name: str, skipped: Counter[str]) -> Iterator[Recorded]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = LINE.search(line)
        recorded = _request(found, f"{name}:{number}") if found else None
        if recorded is None:
            skipped["lines that are no request"] += 1
        else:
            yield recorded


def _request(found: re.Match[str], place: str) -> Recorded | None:
    words = _plain(found["request"]).split(" ")
    if len(words) not in (2, 3) or not METHOD.fullmatch(words[0]) or words[0] == "CONNECT":
        return None
    path = path_of(words[1])
    if path is None:
        return None
    headers = tuple(
        (name, _plain(found[group])) for name, group in _HEADERS if found[group] not in (None, "-")
    )
    return Recorded(words[0], path, headers, client=found["client"], place=place)


def _plain(text: str) -> str:
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", _unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    escaped = found[1]
    return chr(int(escaped[1:], 16)) if len(escaped) == 3 else escaped
