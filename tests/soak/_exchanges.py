"""The exchanges of clients with the mixed application, each with its expected result."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from ._wire import ConnectionEnded, head, Plain

Seen = tuple[int, dict[str, str], bytes]
Exchange = tuple[bytes, Callable[[Seen], bool]]
BOUNDARY = "-" * 12


class Wrong(AssertionError):
    """An answer was not the expected one."""


@dataclass
class Chance:
    """The values that differ from request to request."""

    number: int
    word: str

    @classmethod
    def of(cls, chance: random.Random) -> Chance:
        return cls(chance.randrange(10**6), f"{chance.getrandbits(40):x}")


def get(path: str, expected: Callable[[Seen], bool], **headers: str) -> Exchange:
    return head("GET", path, headers), expected


def post(path: str, kind: str, body: bytes, expected: Callable[[Seen], bool]) -> Exchange:
    headers = {"content-type": kind, "content-length": str(len(body))}
    return head("POST", path, headers) + body, expected


def answers(status: int, body: bytes) -> Callable[[Seen], bool]:
    return lambda seen: (seen[0], seen[2]) == (status, body)


def text(by: Chance) -> Exchange:
    body = f"{by.number} {by.word}".encode()
    return get(f"/text/{by.number}?a={by.word}", answers(200, body), **{"x-" + by.word: "1"})


def sends_json(by: Chance) -> Exchange:
    value = {by.word: [by.number] * 10}

    def expected(seen: Seen) -> bool:
        return seen[0] == 200 and json.loads(seen[2]) == {"got": value}

    return post("/json", "application/json", json.dumps(value).encode(), expected)


def sends_form(by: Chance) -> Exchange:
    fields = {by.word: str(by.number), "b": "c d"}

    def expected(seen: Seen) -> bool:
        return seen[0] == 200 and json.loads(seen[2]) == {"form": fields, "size": 0}

    return post("/form", "application/x-www-form-urlencoded", urlencode(fields).encode(), expected)


def uploads(by: Chance) -> Exchange:
    size = by.number % 20_000

    def expected(seen: Seen) -> bool:
        return seen[0] == 200 and json.loads(seen[2]) == {"form": {"a": by.word}, "size": size}

    part = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
    parts = [
        f'{part}name="a"\r\n\r\n{by.word}\r\n',
        f'{part}name="file"; filename="{by.word}"\r\n\r\n',
        f"{'x' * size}\r\n--{BOUNDARY}--\r\n",
    ]
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return post("/form", kind, "".join(parts).encode(), expected)


def sends_bytes(by: Chance) -> Exchange:
    size = by.number % 50_000
    return post("/raw", "text/plain", b"x" * size, answers(200, str(size).encode()))


def is_not_read(by: Chance) -> Exchange:
    return post("/unread", "text/plain", b"x" * (by.number % 5_000), answers(403, b"unread"))


def has_session(by: Chance) -> Exchange:
    def expected(seen: Seen) -> bool:
        return seen[0] == 200 and seen[2] == b"1" and "session=" in seen[1].get("set-cookie", "")

    # A session signed by another application must be ignored.
    return get("/session", expected, cookie=f"session=eyJhIjoxfQ.{by.word}.{by.word}; {by.word}=1")


def template(by: Chance) -> Exchange:
    return get(f"/template?name={by.word}", answers(200, f"Hello {by.word}, 0, 1, 2".encode()))


def redirects(by: Chance) -> Exchange:
    return get("/redirect", lambda seen: seen[0] == 302 and seen[1]["location"].endswith("/text/1"))


def is_missing(by: Chance) -> Exchange:
    return get(f"/missing/{by.word}", lambda seen: seen[0] == 404)


def fails(by: Chance) -> Exchange:
    return get("/unhandled", lambda seen: seen[0] == 500)


def aborts(by: Chance) -> Exchange:
    return get("/abort", lambda seen: seen[0] == 409)


def _always(path: str, status: int, body: bytes) -> Callable[[Chance], Exchange]:
    def always(by: Chance) -> Exchange:
        return get(path, answers(status, body))

    always.__name__ = path[1:]
    return always


KINDS = [
    *(text, sends_json, sends_form, uploads, sends_bytes, is_not_read, has_session, template),
    *(redirects, is_missing, fails, aborts),
    _always("/handled", 418, b"handled"),
    _always("/wait", 200, b"waited"),
    _always("/async", 200, b"waited"),
    _always("/file", 200, b"x" * 1000),
    _always("/stream", 200, b"x" * 500),
    _always("/kept", 200, b"x" * 500),
    _always("/blocks", 200, b"blocked"),
]
#: One that blocks takes as long as many others.
WEIGHTS = [*([10] * (len(KINDS) - 1)), 1]


def speaks(port: int, path: str, by: Chance) -> str:
    """Open a websocket, speak over it, and leave; return what it was."""
    connection = _upgraded(port, path, by)
    try:
        if path in ("/echo", "/taken"):
            for word in (by.word, "again")[: 1 + (path == "/echo")]:
                connection.send_message(word)
                if (got := connection.read_message()) != word.encode():
                    raise Wrong(f"{path} {got!r}, expected {word!r}")
            if path == "/echo" and by.number % 2:
                connection.send_message("end")
        else:
            for number in range(3 if path == "/push" else 1):
                if (got := connection.read_message()) != str(number).encode():
                    raise Wrong(f"{path} {got!r}, expected {number}")
    finally:
        connection.close()
    return path[1:]


def _upgraded(port: int, path: str, by: Chance) -> Plain:
    for is_last in (False, True):
        connection = Plain(port)
        try:
            connection.upgrade(path, {"x-" + by.word: "1"})
            return connection
        except ConnectionEnded:
            # On a busy machine the client may come too late for a server that waits for 5 seconds.
            connection.close()
            if is_last:
                raise
    raise AssertionError("it has returned, or raised")
