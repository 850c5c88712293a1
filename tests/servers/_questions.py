"""The questions, each with the answer that every server must give.

A question is a function that gets a client and returns what it saw.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from ._client import Client, Socket

Ask = Callable[["Client"], Any]
PATIENCE = 10.0


@dataclass(frozen=True)
class Question:
    """One row of the table."""

    name: str
    ask: Ask
    expected: Any
    #: Whether to ask on a server of its own, which serves below a path and ends afterwards.
    rooted: bool = False

    def __str__(self) -> str:
        return self.ask.__name__


QUESTIONS: list[Question] = []


def question(name: str, expected: Any) -> Callable[[Ask], Ask]:
    def add(ask: Ask) -> Ask:
        QUESTIONS.append(Question(name, ask, expected))
        return ask

    return add


# --- Requests ------------------------------------------------------------------------------------


@question("GET, with path and query string", (200, "Hello Zoë/1 2/%", ["a", "é &"]))
def get(client: Client) -> Any:
    answer = client.http.get("/hello/Zo%C3%AB/1%202/%25?wanted=a&wanted=%C3%A9+%26")
    raw = answer.headers.raw
    wanted = [value.decode("latin-1") for name, value in raw if name.lower() == b"x-wanted"]
    return answer.status_code, answer.text, wanted


@question("a plain view, in a thread", [f"plain {number}" for number in range(10)])
def plain(client: Client) -> Any:
    return [client.http.get(f"/plain?number={number}").text for number in range(10)]


@question("scheme, version, host and client of the request", True)
def connection(client: Client) -> Any:
    got = client.http.get("/connection").json()
    expected = {
        "scheme": "https" if client.serving.tls else "http",
        "http_version": client.serving.http_version,
        "host": "localhost",
        "remote_addr": "127.0.0.1",
    }
    return got == expected or got


@question("POST of JSON", (201, {"got": {"é": [1, None, "🦊"]}}))
def post_json(client: Client) -> Any:
    answer = client.http.post("/json", json={"é": [1, None, "🦊"]})
    return answer.status_code, answer.json()


@question("a form", {"form": {"a": ["1", "2"], "ü": ["x y&z"]}, "files": {}})
def form(client: Client) -> Any:
    return client.http.post("/form", data={"a": ["1", "2"], "ü": "x y&z"}).json()


@question("an upload of files", True)
def upload(client: Client) -> Any:
    large, small = os.urandom(700_000), b"\r\n--small\r\n"
    files = {"one": ("größe.bin", large), "two": ("two.txt", small, "text/x-two")}
    got = client.http.post("/form", data={"field": "value"}, files=files).json()
    expected = {
        "form": {"field": ["value"]},
        "files": {
            "one": ["größe.bin", "application/octet-stream", sha256(large).hexdigest()],
            "two": ["two.txt", "text/x-two", sha256(small).hexdigest()],
        },
    }
    return got == expected or got


@question("a body larger than allowed", 413)
def limited(client: Client) -> Any:
    # Servers may close the connection, as there is more to come that nobody reads.
    with client.another() as http:
        return http.post("/limited", content=b"x" * 20_000).status_code


@question("a body read while it is sent", {"length": 6, "early": True})
def streamed_request(client: Client) -> Any:
    key, early = client.key(), []

    def pieces() -> Iterator[bytes]:
        yield b"abc"
        early.append(client.note(key, wait=2) == 3)
        yield b"def"

    length = client.http.post("/stream", params={"key": key}, content=pieces()).json()
    return {**length, "early": early[0]}


# --- Responses -----------------------------------------------------------------------------------


@question("a body sent while it is made", ["first ", "second"])
def streamed_response(client: Client) -> Any:
    key = client.key()
    with client.another() as http, http.stream("GET", "/stream", params={"key": key}) as answer:
        pieces = answer.iter_text()
        first = next(pieces)
        client.take_note(key)
        return [first, "".join(pieces)]


@question(
    "server-sent events, and the end of them when the client leaves",
    ("text/event-stream", ["id: 1", "data: 🎈1", "", "id: 2"], "the client has left"),
)
def events(client: Client) -> Any:
    key = client.key()
    with client.another() as http, http.stream("GET", "/events", params={"key": key}) as answer:
        lines = answer.iter_lines()
        got = [next(lines) for _ in range(4)]
        kind = answer.headers["Content-Type"].partition(";")[0]
    return kind, got, client.note(key, wait=PATIENCE)


@question("a large body", ("2097152", True))
def large(client: Client) -> Any:
    answer = client.http.get("/large")
    return answer.headers.get("Content-Length"), answer.content == b"0123456789abcdef" * (1 << 17)


@question("a session cookie, over a redirect", (302, "/who", {"user": "zoë"}, {"user": None}))
def session(client: Client) -> Any:
    with client.another() as http:
        answer = http.post("/login", data={"user": "zoë"})
        who = http.get(answer.headers["Location"]).json()
    return answer.status_code, answer.headers["Location"], who, client.http.get("/who").json()


@question("HEAD", (200, "10", b""))
def head(client: Client) -> Any:
    answer = client.http.head("/plain?number=123")
    # The connection can still be used.
    assert client.http.get("/plain?number=4").text == "plain 4"
    answer = client.http.head("/static/digits.txt")
    return answer.status_code, answer.headers.get("Content-Length"), answer.content


@question("404, and 405 with what is allowed", (404, 405, ["OPTIONS", "POST"]))
def missing(client: Client) -> Any:
    wrong = client.http.get("/json")
    allowed = sorted(wrong.headers["Allow"].split(", "))
    return client.http.get("/nowhere").status_code, wrong.status_code, allowed


@question("500 for an error", (500, "text/html", True))
def error(client: Client) -> Any:
    answer = client.http.get("/error")
    kind = answer.headers["Content-Type"].partition(";")[0]
    return answer.status_code, kind, "Internal Server Error" in answer.text


@question(
    "a static file: whole, a range, unchanged, out of range",
    [(200, "0123456789"), (206, "345"), "bytes 3-5/10", (304, ""), 416],
)
def static_file(client: Client) -> Any:
    def ask(**headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.http.get("/static/digits.txt", headers=named)

    whole, part = ask(), ask(range="bytes=3-5")
    same = ask(if_none_match=whole.headers["ETag"])
    return [
        *[(whole.status_code, whole.text), (part.status_code, part.text)],
        part.headers["Content-Range"],
        (same.status_code, same.text),
        ask(range="bytes=20-").status_code,
    ]


# --- Websockets ----------------------------------------------------------------------------------

MESSAGES = ["hello", b"\x00\xff", "naïve 🦊", "x" * 300_000, b"\x01" * 300_000]


@question("websocket: text and binary messages", [True] * len(MESSAGES))
def websocket_echo(client: Client) -> Any:
    def echoed(socket: Socket, message: str | bytes) -> Any:
        socket.send(message)
        got = socket.receive()
        return got == message or repr(got)[:40]

    with client.websocket("/echo") as socket:
        return [echoed(socket, message) for message in MESSAGES]


@question("websocket: empty messages", ["", b"", "end"])
def websocket_empty(client: Client) -> Any:
    got: list[str | bytes] = []
    with client.websocket("/echo") as socket:
        for message in ("", b"", "end"):
            socket.send(message)
        while "end" not in got:
            got.append(socket.receive())
    return got


@question(
    "websocket: accepted with a subprotocol and headers",
    ("second", "yes", {"path": "/accepted", "token": "t&é"}, (1000, "")),
)
def websocket_accept(client: Client) -> Any:
    with client.websocket("/accepted?token=t%26%C3%A9", ["first", "second"]) as socket:
        headers = {name.lower(): value for name, value in socket.headers.items()}
        message = json.loads(socket.receive())
        return socket.subprotocol, headers.get("x-accepted"), message, _end(socket)


def _end(socket: Socket) -> tuple[int | None, str]:
    from ._client import Closed

    try:
        return 0, repr(socket.receive())
    except Closed as closed:
        return closed.code, closed.reason


@question("websocket: closed by the application, with a reason", (4001, "enough 🛑"))
def websocket_closed(client: Client) -> Any:
    with client.websocket("/closing") as socket:
        return _end(socket)


@question("websocket: closed since its handler failed", 1011)
def websocket_failing(client: Client) -> Any:
    with client.websocket("/failing") as socket:
        return _end(socket)[0]


@question("websocket: closed by the client, with a reason", [4002, "got to go 👋"])
def websocket_left(client: Client) -> Any:
    key = client.key()
    with client.websocket(f"/leaving/{key}") as socket:
        socket.send("first")
        socket.close(4002, "got to go 👋")
        return client.note(key, wait=PATIENCE)


@question("websocket: a handler that waits is ended when the client leaves", "the client has left")
def websocket_abandoned(client: Client) -> Any:
    key = client.key()
    with client.websocket(f"/waiting/{key}") as socket:
        socket.close()
    return client.note(key, wait=5)


def _refusal(client: Client, path: str) -> tuple[int, str | None, bytes]:
    from ._client import Refused

    try:
        with client.websocket(path):
            return 0, None, b""
    except Refused as refused:
        return refused.status, refused.headers.get("x-denied"), refused.body


@question("websocket: refused by closing", 403)
def websocket_refused(client: Client) -> Any:
    return _refusal(client, "/refused")[0]


@question("websocket: refused with a response", (401, "yes", {"error": "who are you?"}))
def websocket_denied(client: Client) -> Any:
    status, header, body = _refusal(client, "/denied")
    return status, header, json.loads(body) if b"{" in body else body


@question("websocket: refused by `abort`, and no such path", [404, 404])
def websocket_missing(client: Client) -> Any:
    return [_refusal(client, path)[0] for path in ("/aborted", "/nowhere")]


# --- Start and end -------------------------------------------------------------------------------


@question("`before_serving` has run", True)
def started(client: Client) -> Any:
    return client.note("started")


def root_path(client: Client) -> Any:
    """Ask with the root path in front, then without it, as behind a proxy that strips it."""
    answers = [client.http.get(path) for path in ("/base/where", "/where")]
    return [answer.status_code if answer.is_error else answer.json() for answer in answers]


def stopped(client: Client) -> Any:
    """End the server, and check whether the application was told."""
    # With TLS, a server may wait long for its clients' close.
    client.http.close()
    client.server.stop()
    return "after_serving has run" in client.server.output()


ROOTED = {"path": "/where", "root_path": "/base", "url": "/base/where"}
QUESTIONS += [
    Question("a root path, in front of the path", root_path, [ROOTED, 404], rooted=True),
    Question("`after_serving` has run", stopped, True, rooted=True),
]
