"""The scenarios as data: what is asked, of which application, and what must come back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ._contenders import Contender
from .apps.growth import _sizes as sizes
from .apps.scenarios import _payload as payload

ECHOES = 100
PIECE = 64 * 1024
COMMON_HEADERS = (
    (b"host", b"www.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"referer", b"https://www.example.com/start"),
    (b"connection", b"keep-alive"),
    (b"cache-control", b"no-cache"),
)
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Answer:
    """What came back: a response, or the messages of a websocket joined by newlines."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class Scenario:
    """One request (or websocket connection), repeated.

    ``pieces`` is the body as the server would hand it over, or the websocket's messages. With
    ``paced`` each piece takes a turn of the event loop to arrive. With ``keep_cookie`` the
    cookie that the first answer sets is sent with every later request.
    """

    key: str
    title: str
    path: str
    is_right: Callable[[Answer], bool]
    app: str = "plain"
    method: str = "GET"
    query: bytes = b""
    headers: Headers = COMMON_HEADERS
    pieces: tuple[bytes, ...] = (b"",)
    paced: bool = False
    is_websocket: bool = False
    keep_cookie: bool = False
    without: frozenset[str] = frozenset()

    def suits(self, contender: Contender) -> bool:
        """Whether the contender takes part: Flask has no websockets, on the layer or off it."""
        can = contender.takes_websockets or not self.is_websocket
        knows = not contender.only or self.key in contender.only
        return can and knows and contender.name not in self.without


def _body_is(expected: bytes) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 200 and answer.body == expected


def _json_is(expected: Any) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 200 and json.loads(answer.body) == expected


def _is_table(answer: Answer) -> bool:
    rows_are_there = answer.body.count(b"<tr class=") == len(payload.ROWS)
    return answer.status == 200 and rows_are_there and b"row &lt;49&gt;" in answer.body


def _is_count(answer: Answer) -> bool:
    return answer.status == 200 and answer.body in {b"1", b"2"}


def _is_hooked(answer: Answer) -> bool:
    was_hooked = any(name.lower() == b"x-hook" for name, _ in answer.headers)
    return was_hooked and _body_is(payload.TEXT.encode())(answer)


def _with_body(content_type: bytes, body: bytes) -> dict[str, Any]:
    extra = ((b"content-type", content_type), (b"content-length", b"%d" % len(body)))
    return {"method": "POST", "headers": COMMON_HEADERS + extra, "pieces": (body,)}


def _split(body: bytes) -> tuple[bytes, ...]:
    return tuple(body[at : at + PIECE] for at in range(0, len(body), PIECE))


def _multipart(content: bytes) -> bytes:
    field = b'--frontier\r\nContent-Disposition: form-data; name="note"\r\n\r\na note\r\n'
    file = (
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="data.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n%b\r\n"
    )
    return field + file % content + b"--frontier--\r\n"


_DOCUMENT = {f"key{n:02}": "v" * 50 for n in range(16)}
_FIELDS = {"name": "Ada", "town": "London", "street": "St James", "age": "36", "ok": "yes"}
_MIB = 1024 * 1024
_UPLOAD = _with_body(
    b"multipart/form-data; boundary=frontier", _multipart(random.Random(1).randbytes(_MIB))
)
_UPLOADED = _json_is({"note": "a note", "size": _MIB})
_MESSAGES = tuple(b"message %d" % n for n in range(ECHOES))
_ECHOED = _body_is(b"\n".join(_MESSAGES))
_TEXT = _body_is(payload.TEXT.encode())
_FORM = b"&".join(f"{k}={v}".replace(" ", "+").encode() for k, v in _FIELDS.items())
# An application of async views only is, in these two, another one over again.
_SAME_AGAIN = frozenset({"layer-async"})

_ALL = (
    Scenario("a", "plain text", "/text", _TEXT),
    Scenario("b", "JSON", "/json", _json_is(payload.MESSAGE)),
    Scenario(
        "c",
        "int in the path and query, 100 routes",
        f"/section{payload.ROUTES // 2}/7",
        _json_is({"id": 7, "q": "x"}),
        app="routes",
        query=b"q=x",
    ),
    Scenario(
        "d",
        "POST 1 KiB of JSON, echoed",
        "/echo",
        _json_is(_DOCUMENT),
        **_with_body(b"application/json", json.dumps(_DOCUMENT).encode()),
    ),
    Scenario(
        "e",
        "POST form of 5 fields",
        "/form",
        _json_is(_FIELDS),
        **_with_body(b"application/x-www-form-urlencoded", _FORM),
    ),
    Scenario("f", "template, table of 50 rows", "/table", _is_table),
    Scenario("g", "session read and written", "/count", _is_count, "session", keep_cookie=True),
    Scenario(
        "h", "stream 1 MiB in 16 KiB chunks", "/stream", _body_is(payload.CHUNK * payload.CHUNKS)
    ),
    Scenario("i", "multipart upload of 1 MiB, at once", "/upload", _UPLOADED, **_UPLOAD),
    Scenario("j", "plain `def` view", "/sync", _TEXT, without=_SAME_AGAIN),
    Scenario("k", "one hook before, one after", "/text", _is_hooked, "hooks"),
    Scenario(
        "l", "websocket, 100 echoes at once", "/ws", _ECHOED, pieces=_MESSAGES, is_websocket=True
    ),
    Scenario(
        "m",
        "multipart upload of 1 MiB, 64 KiB a turn",
        "/upload",
        _UPLOADED,
        paced=True,
        **{**_UPLOAD, "pieces": _split(_UPLOAD["pieces"][0])},
    ),
    Scenario(
        "n",
        "websocket, 100 echoes, one a turn",
        "/ws",
        _ECHOED,
        pieces=_MESSAGES,
        paced=True,
        is_websocket=True,
    ),
    Scenario(
        "o",
        "JSON, `async def` view in any app",
        "/async",
        _json_is(payload.MESSAGE),
        without=_SAME_AGAIN,
    ),
)
SCENARIOS = {scenario.key: scenario for scenario in _ALL}


def _growing() -> Iterator[Scenario]:
    """In the middle of the routes, and in the last blueprint."""
    text, item = _body_is(sizes.TEXT.encode()), _body_is(b"7")
    starlette = frozenset({"starlette"})
    for n in sizes.ROUTES:
        app = f"routes-{n}"
        yield Scenario(f"static-{n}", f"{n} routes, static", "/text", text, app)
        yield Scenario(f"int-{n}", f"{n} routes, int", f"/section{n // 2}/7", item, app)
    for n in sizes.BLUEPRINTS:
        key = f"blueprints-{n}"
        yield Scenario(key, f"{n} blueprints", f"/part{n - 1}", text, key, without=starlette)
    for n in sizes.HOOKS:
        key = f"hooks-{n}"
        yield Scenario(key, f"{n} hooks elsewhere", "/part0", text, key, without=starlette)


GROWTH = {scenario.key: scenario for scenario in _growing()}
TASKS = {"scenarios": SCENARIOS, "growth": GROWTH}
