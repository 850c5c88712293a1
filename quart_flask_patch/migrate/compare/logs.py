"""Read requests from an access log (common or combined) of Apache, nginx or gunicorn."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from .recorded import METHOD, path_of, Recorded

#: What follows the time: request line, status, size, and in the combined log two headers. It begins
#: with what stands fixed, so a line takes time in proportion to its length.
_REST = re.compile(
    r'\] "(?P<request>(?:[^"\\]|\\.)*)" \d{3} \S+'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
_HEADERS = (("Referer", "referer"), ("User-Agent", "agent"))


def from_log(lines: Iterable[str], name: str, skipped: Counter[str]) -> Iterator[Recorded]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = _REST.search(line)
        client = _client(line[: found.start()]) if found else ""
        recorded = _request(found, client, f"{name}:{number}") if found and client else None
        if recorded is None:
            skipped["lines that are no request"] += 1
        else:
            yield recorded


def looks_logged(line: str) -> bool:
    found = _REST.search(line)
    return found is not None and bool(_client(line[: found.start()]))


def _client(head: str) -> str:
    """Return who sent the request, if *head* is client, identity, user and time."""
    words = head.split(" ", 2)
    return words[0] if len(words) == 3 and "[" in words[2] else ""


def _request(found: re.Match[str], client: str, place: str) -> Recorded | None:
    words = _plain(found["request"]).split(" ")
    if len(words) not in (2, 3) or not METHOD.fullmatch(words[0]) or words[0] == "CONNECT":
        return None
    path = path_of(words[1])
    if path is None:
        return None
    headers = tuple(
        (name, _plain(found[group])) for name, group in _HEADERS if found[group] not in (None, "-")
    )
    return Recorded(words[0], path, headers, client=client, place=place)


def _plain(text: str) -> str:
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", _unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    escaped = found[1]
    return chr(int(escaped[1:], 16)) if len(escaped) == 3 else escaped
