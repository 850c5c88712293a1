"""What things cost: both ways of each row of the table in docs/performance.md, timed side by side.

`python -m tests.bench.costs` prints them, in processor time; names after it choose some. A comment
in the source that names a row stands where the way on the left is taken.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from hashlib import sha1
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from greenlet import getcurrent, greenlet
from itsdangerous import TimestampSigner
from jinja2 import DictLoader
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.local import LocalProxy
from werkzeug.sansio.utils import get_host

from quart import Quart, request, Response
from quart._formats.headers import first_value, headers_of_request
from quart._formats.multipart import Decoder
from quart._loops.timer import alarm_of_loop
from quart._rendering import plain_face
from quart._threads.lease import Lease
from quart._threads.pool import Pool
from quart.formparser import urlencoded
from quart.globals import _cv_app
from quart.wrappers.websocket import State

SECONDS = 0.1
ROUNDS = 5
Way = Callable[[], object]


class Row(NamedTuple):
    """One way that the source takes, and the one that would be plainer."""

    name: str
    taken: str
    way: Way
    plainer: str
    other: Way


def microseconds(way: Way, seconds: float = SECONDS) -> float:
    """Return the processor time of *way*, of the best of some rounds."""
    way()
    found, count = [], 1
    while len(found) < ROUNDS:
        started = time.process_time()
        for _ in range(count):
            way()
        taken = time.process_time() - started
        if taken * ROUNDS < seconds:
            count *= 2
        else:
            found.append(taken / count)
    return min(found) * 1e6


class _Thing:
    def __init__(self) -> None:
        self.here = 1


class _Default:
    here = 1


def _read_often(thing: Any) -> None:
    for _ in range(100):
        thing.here  # noqa: B018


def _same(value: object) -> object:
    return value


_OPEN = State.OPEN


async def _nothing() -> None:
    pass


FORM = b"name=Ada+Lovelace&mail=ada%40example.org&age=36&note=" + b"x" * 60
BOUNDARY = b"-" * 24 + b"1234567890abcdef"
MEBIBYTE = (
    b'--%s\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n%s\r\n--%s--\r\n'
    % (
        BOUNDARY,
        b"x" * 2**20,
        BOUNDARY,
    )
)
RAW = [(b"host", b"localhost"), (b"accept", b"text/html"), (b"user-agent", b"someone/1.0")]
COOKIE = b'{"user":"ada","visits":12,"theme":"dark","cart":[1,2,3]}' * 2


def _decode() -> None:
    decoder = Decoder(BOUNDARY, None)
    for _ in decoder.feed(MEBIBYTE):
        pass


def _compile() -> object:
    re.purge()
    return Decoder(BOUNDARY, None)._later_expression


def _small_window() -> bytes:
    packer = zlib.compressobj(wbits=-13, memLevel=5)
    return packer.compress(COOKIE) + packer.flush()


def _python_digest(data: bytes = b"") -> Any:
    return sha1(data)


def _new_greenlet() -> None:
    greenlet(_same).switch(None)


def _forever() -> None:
    while True:
        getcurrent().parent.switch()  # type: ignore[union-attr]  # it has one


def _set_vary() -> None:
    Response("").vary.add("Cookie")


def _add_vary() -> None:
    Response("").headers.add("Vary", "Cookie")


def rows_of(app: Quart, apart: asyncio.AbstractEventLoop) -> list[Row]:
    """Return the rows; what is asked of a request is asked of the current one."""
    ctx = _cv_app.get()
    waiting = greenlet(_forever)
    signer = TimestampSigner("secret", salt="cookie-session", key_derivation="hmac")
    proxy: Any = LocalProxy(lambda: ctx.request)
    key = signer.derive_key()
    raw, headers = RAW, headers_of_request(RAW)
    environment, plain = app.jinja_env, plain_face(app.jinja_env)
    plainly = {name: plain.get_template(name) for name in TEMPLATES}
    asynchronous = {name: environment.get_template(name) for name in TEMPLATES}
    bare, opened, default = _Thing(), _Thing(), _Default()
    vars(opened)["other"] = 1
    loop, alarm = asyncio.get_running_loop(), alarm_of_loop()

    def rendered(size: str, name: str, rows: int = 0) -> Row:
        values = {"name": "Ada", "rows": [{"id": n, "title": f"row {n}"} for n in range(rows)]}
        return Row(
            f"template, {size}",
            *("plain code", lambda: _step(plainly[name].render_async(values))),
            *("async code", lambda: _step(asynchronous[name].render_async(values))),
        )

    def ring() -> None:
        alarm.add(ring, 60)
        alarm.remove(ring)

    return [
        Row(
            "adapter",
            *("match the path", lambda: app.url_map._look_up("", "/", "GET", False)),  # type: ignore[attr-defined]  # QuartMap's
            *("make the adapter", lambda: app.create_url_adapter(ctx.request)),
        ),
        Row(
            "attribute",
            *("the object's own", lambda: _read_often(bare)),
            *("of its class", lambda: _read_often(default)),
        ),
        Row("call", "look at the type", lambda: type(RAW), "call a function", lambda: _same(RAW)),
        Row(
            "compression",
            *("small window", _small_window, "zlib.compress", lambda: zlib.compress(COOKIE)),
        ),
        Row(
            "constructor",
            *("Response", lambda: Response("hello")),
            *("Werkzeug's", lambda: Response.__new__(Response)._make_as_werkzeug("hello")),
        ),
        Row(
            "digest",
            *("OpenSSL's function", lambda: hmac.new(key, COOKIE, sha1)),
            *("a Python function", lambda: hmac.new(key, COOKIE, _python_digest)),
        ),
        Row(
            "dict",
            *("never asked for", lambda: _read_often(bare)),
            *("asked for", lambda: _read_often(opened)),
        ),
        Row("enum", "a global name", lambda: _OPEN, "ask the class", lambda: State.OPEN),
        Row("expression", "parse a mebibyte", _decode, "compile the expression", _compile),
        Row(
            "form",
            *("split", lambda: urlencoded(FORM)),
            *("parse_qsl", lambda: parse_qsl(FORM.decode(), keep_blank_values=True)),
        ),
        Row("greenlet", "switch", waiting.switch, "start", _new_greenlet),
        Row("header set", "add a header", _add_vary, "parse it into a set", _set_vary),
        Row(
            "headers",
            *("look one up", lambda: first_value(headers, b"accept")),
            *("decode all", lambda: Headers([(k.decode(), v.decode()) for k, v in raw])),
        ),
        Row(
            "host",
            *("match a path", lambda: app.url_map._look_up("", "/", "GET", False)),  # type: ignore[attr-defined]  # as above
            *("check a host", lambda: get_host("http", "example.org").encode("idna")),
        ),
        Row("key", "sign", lambda: signer.get_signature(b"x"), "derive", signer.derive_key),
        Row(
            "media type",
            *("join a small body", lambda: b"".join([FORM, FORM])),
            *("parse the type", lambda: parse_options_header("text/html; charset=utf-8")),
        ),
        Row("proxy", "a property", lambda: request.path, "Werkzeug's", lambda: proxy.path),
        Row("stat", "os.stat", lambda: os.stat(__file__), "a visit to a thread", _visit(apart)),
        Row("thread", "100 steps", lambda: list(map(_same, range(100))), "a visit", _visit(apart)),
        Row("timer", "one for all", ring, "one each", lambda: loop.call_later(60, ring).cancel()),
        rendered("one line", "line"),
        rendered("a page without a loop", "page"),
        rendered("a page on a base", "child"),
        *(rendered(f"rows: {rows}", "table", rows) for rows in (1, 3, 10, 30)),
    ]


def _step(awaitable: Any) -> object:
    """Run *awaitable*, which need not wait."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("It waits for something, which costs more than what is measured here.")


def _visit(loop: asyncio.AbstractEventLoop) -> Way:
    pool = Pool(1)

    async def visits() -> None:
        with Lease(pool) as lease:
            await lease.call(_same, None)

    def visit() -> None:
        # On a loop apart, as the one here is running.
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            loop.run_until_complete(visits())
        finally:
            asyncio._set_running_loop(running)

    return visit


#: Of several sizes, since a small one gains nothing by being plain code.
TEMPLATES = {
    "line": "Hello {{ name }}!",
    "page": "<title>{{ name }}</title>{% if name %}<p>{{ name|upper }}{% endif %}<p>{{ rows }}",
    "base": "<title>{{ name }}</title>{% block body %}{% endblock %}",
    "child": "{% extends 'base' %}{% block body %}<p>{{ name }}{% endblock %}",
    "table": "{% for row in rows %}<tr><td>{{ row.id }}<td>{{ row.title }}{% endfor %}",
}


async def measured(names: list[str], seconds: float = SECONDS) -> list[tuple[Row, float, float]]:
    """Return the rows with these names, or all, with the times of both ways."""
    app = Quart("costs")
    app.add_url_rule("/", "index", _nothing)
    app.jinja_options = {"loader": DictLoader(TEMPLATES)}
    async with app.test_request_context("/"):
        with closing(asyncio.new_event_loop()) as apart:
            return [
                (row, microseconds(row.way, seconds), microseconds(row.other, seconds))
                for row in rows_of(app, apart)
                if not names or row.name.partition(",")[0] in names
            ]


def main() -> None:
    print(f"{'':22}{'taken':>32}{'plainer':>34}   ratio")
    for row, way, other in asyncio.run(measured(sys.argv[1:])):
        print(
            f"{row.name:22}{row.taken:>22} {way:8.2f}us{row.plainer:>22} {other:8.2f}us"
            f" {other / way:7.2f}"
        )


if __name__ == "__main__":
    main()
