"""Ask a server, keep its answers, and find the first difference between two texts.

The compatibility matrix uses this file without its package, so it imports only the standard
library.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookies import CookieError, SimpleCookie
from typing import Protocol

#: Headers of the connection, which are no part of the answer (RFC 9110, 7.6.1).
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}
PIECE = 1 << 16
_WITH_BODY = {"POST", "PUT", "PATCH"}


class Replaces(Protocol):
    """Replaces what may differ in a text."""

    def apply(self, text: str) -> str: ...


@dataclass
class Answer:
    """One answer: its status, its headers by name, and its body or the first part of it.

    Status 0 means that there was no answer; the body says why. *unended* marks a body whose end did
    not come in time.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    size: int = 0
    digest: str = ""
    unended: bool = False

    @cached_property
    def text(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.headers]
        body = self.body.decode("utf-8", "backslashreplace")
        return "\n".join([str(self.status), *lines, "", body])

    def normal(self, differences: Iterable[Replaces]) -> str:
        text = self.text
        for each in differences:
            text = each.apply(text)
        return text

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")


@dataclass(frozen=True)
class Patience:
    """How long one answer may take, in seconds, and how much of its body is kept, in bytes."""

    seconds: float = 40.0
    kept: int | None = None


def ask(
    port: int,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | None,
    patience: Patience,
) -> Answer:
    """Send one request over a connection of its own; the status is 0 if there is no answer."""
    until = time.monotonic() + patience.seconds
    connection = HTTPConnection("127.0.0.1", port, timeout=patience.seconds)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # Refused before it was read.
            _send(connection, method, path, headers, body)
        return _read(connection, connection.getresponse(), until, patience.kept)
    except TimeoutError:
        return Answer(
            0, [], f"no answer within {patience.seconds:g} seconds".encode(), unended=True
        )
    except (OSError, HTTPException, ValueError) as error:
        return Answer(0, [], f"no answer: {error!r}".encode())
    finally:
        connection.close()


def _send(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | None,
) -> None:
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value.encode("utf-8"))
    if body is None and method in _WITH_BODY:
        body = b""
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


def _read(
    connection: HTTPConnection, response: HTTPResponse, until: float, kept: int | None
) -> Answer:
    found = [(name.lower(), value) for name, value in response.getheaders()]
    headers = sorted((h for h in found if h[0] not in OF_THE_CONNECTION), key=lambda h: h[0])
    answer = Answer(response.status, headers, b"")
    digest, body, sock = hashlib.sha256(), bytearray(), connection.sock
    try:
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the body did not end in time")
            if sock is not None:
                sock.settimeout(left)
            if not (piece := response.read1(PIECE)):
                break
            digest.update(piece)
            answer.size += len(piece)
            room = len(piece) if kept is None else max(kept - len(body), 0)
            body += piece[:room]
        if response.length:
            raise HTTPException(f"the body ended {response.length} bytes too early")
    except TimeoutError:
        answer.unended = True
    answer.body, answer.digest = bytes(body), digest.hexdigest()
    return answer


def cookies_of(answer: Answer) -> dict[str, str | None]:
    """Return the cookies that *answer* sets, with None for each that it deletes."""
    found: dict[str, str | None] = {}
    for value in answer.all("set-cookie"):
        with suppress(CookieError):
            for key, cookie in SimpleCookie(value).items():
                gone = cookie["max-age"] == "0" or "1970" in cookie["expires"]
                found[key] = None if gone else cookie.coded_value
    return found


def difference(one: str, other: str) -> str:
    """Return the first line in which two answers differ, or an empty string."""
    if one == other:
        return ""
    for first, second in zip(one.split("\n"), other.split("\n"), strict=False):
        if first != second:
            same = next(
                (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
                min(len(first), len(second)),
            )
            part = slice(max(same - 100, 0), same + 200)
            return f"- {first[part]}\n+ {second[part]}"
    longer = max(one, other, key=len)[min(len(one), len(other)) :]
    return f"{'-' if len(one) > len(other) else '+'} {longer[:300]}"
