"""Read requests from a list of ``METHOD /path``, with optional headers and bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .recorded import CompareError, path_of, Recorded, sendable

_REQUEST = re.compile(
    r"(?P<method>[A-Z][A-Z-]{1,30}) +(?P<target>(?:/|https?://)\S*)(?: +HTTP/[\d.]+)?\s*"
)
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~\w-]+):[ \t]*(?P<value>.*)")
FORM = "application/x-www-form-urlencoded"


def looks_listed(line: str) -> bool:
    return _REQUEST.fullmatch(line) is not None


def from_list(text: str, file: Path) -> Iterator[Recorded]:
    """Yield the requests in *text*; each reaches from its request line to the next one."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        if not line or line.startswith("#"):
            number += 1
            continue
        end = _end(lines, number + 1)
        yield _request(lines[number:end], file, number + 1)
        number = end


def _end(lines: list[str], start: int) -> int:
    """Return where the request ends: before the next one, or before that one's comments."""
    end = start
    while end < len(lines) and not lines[end].startswith("###") and not looks_listed(lines[end]):
        end += 1
    while end > start and _is_comment(lines, end - 1):
        end -= 1
    return end


def _is_comment(lines: list[str], number: int) -> bool:
    """Whether this line is in a block of comments that follows an empty line."""
    while lines[number].startswith("#"):
        number -= 1
    return not lines[number].strip()


def _request(lines: list[str], file: Path, number: int) -> Recorded:
    found = _REQUEST.fullmatch(lines[0].strip())
    place = f"{file.name}:{number}"
    path = path_of(found["target"]) if found else None
    if found is None or path is None:
        raise CompareError(
            f"{place}: expected METHOD /path, such as GET /notes?page=2, got {lines[0].strip()!r}"
        )
    headers: list[tuple[str, str]] = []
    rest = lines[1:]
    while rest and rest[0].strip():
        header = _HEADER.fullmatch(rest[0].strip())
        if not rest[0].startswith("#") and header is None:
            at = number + len(lines) - len(rest)
            raise CompareError(
                f"{file.name}:{at}: expected Name: value, an empty line before a body, or the next"
                f" METHOD /path, got {rest[0].strip()!r}"
            )
        if header is not None and not rest[0].startswith("#"):
            headers.append((header["name"], header["value"].strip()))
        rest = rest[1:]
    body = _body("\n".join(rest).strip("\n"), file)
    if body is not None and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", _kind_of(body)))
    return Recorded(found["method"], path, sendable(tuple(headers)), body, place=place)


def _body(text: str, file: Path) -> bytes | None:
    if not text.strip():
        return None
    if text.startswith("< "):
        named = file.parent / text[2:].strip()
        try:
            return named.read_bytes()
        except OSError as error:
            raise CompareError(
                f"{file}: expected a file for the body at {named}, got {error}"
            ) from None
    return text.encode("utf-8", "replace")


def _kind_of(body: bytes) -> str:
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else FORM
