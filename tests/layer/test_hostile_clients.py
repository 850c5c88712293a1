"""Whatever a client sends, an answer leaves the application, and no exception of ours.

A few hundred connections of each kind; `--hypothesis-profile=long` makes many more.
"""

from __future__ import annotations

import asyncio
from typing import Any

import flask
import pytest
from flask import Flask
from hypothesis import example, given, strategies as st

import quart
from quart import Quart

from ._asgi import run, scope_for

ODD_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=4)
PATHS = st.lists(
    st.sampled_from(
        ["/", "//", "/n/", "/f/", "/s/", "/w/", "a", "9" * 5000, "-1", "1e999", "..", "%2F", "?"]
    )
    | st.sampled_from(
        ["#", "http://", "[", "]", "\u2100", "\ufffd", "|", "<", "\0", " ", "/static/", "\udcff"]
    )
    | ODD_TEXT,
    max_size=6,
).map("".join)
BYTES = st.lists(
    st.sampled_from([b"a", b"=", b"&", b"%", b"%FF", b"\xff", b"\xc3\xa4", b";", b'"', b"\\", b","])
    | st.sampled_from([b"session=", b"Basic ", b"\xe4\xf6", b"9" * 5000, b"bytes=0-", b"W/", b"b"])
    | st.binary(max_size=3),
    max_size=5,
).map(b"".join)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            b"host cookie authorization content-type content-length range if-none-match accept"
            b" origin if-modified-since x_y x-\xdf transfer-encoding expect upgrade".split()
        ),
        BYTES
        | st.sampled_from(
            b"localhost [::1 xn-- h:99999 a.. \xe2\x84\x80 multipart/form-data application/json"
            b" multipart/form-data;boundary=b multipart/form-data;boundary*=utf-8''%0A"
            b" application/x-www-form-urlencoded".split()
        ),
    ),
    max_size=4,
)
SCOPES = st.fixed_dictionaries(
    {
        "path": PATHS,
        "query_string": BYTES,
        "headers": HEADERS,
        "scheme": st.sampled_from(["http", "https", "ws", "wss", "", "HTTP"]),
        "root_path": st.sampled_from(["", "", "/", "/a", "a", "\u2100"]),
        "http_version": st.sampled_from(["1.0", "1.1", "2"]),
        "client": st.sampled_from([None, ("127.0.0.1", 1), ("", None)]),
        "server": st.sampled_from([None, ("localhost", 80), ("/run/a.sock", None)]),
    },
    optional={"extensions": st.just(None), "raw_path": st.sampled_from([None, b"", b"/\xff"])},
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE", "X", ""])
BODY = st.fixed_dictionaries(
    {"type": st.just("http.request")},
    optional={"body": BYTES | st.just(b"--b\r\n"), "more_body": st.booleans()},
)
GONE = {"type": "http.disconnect"}
FRAMES = st.fixed_dictionaries({"type": st.just("websocket.receive")}) | st.one_of(
    BYTES.map(lambda data: {"type": "websocket.receive", "bytes": data}),
    ODD_TEXT.map(lambda text: {"type": "websocket.receive", "text": text, "bytes": None}),
)


def application(kind: type[Any]) -> Any:
    app = kind(__name__)
    app.secret_key = "secret"
    app.config.update(PROPAGATE_EXCEPTIONS=False, SYNC_PLACE="loop", MAX_CONTENT_LENGTH=5000)

    @app.route("/")
    @app.route("/n/<int:n>")
    @app.route("/f/<float:n>")
    @app.route("/u/<uuid:n>")
    @app.route("/s/<n>/", methods=["GET", "POST"])
    @app.route("/a<path:n>")
    async def view(**values: Any) -> str:
        return "view"

    @app.post("/form")
    async def form() -> str:
        await quart.request.form
        await quart.request.get_data()
        return "form"

    @app.route("/plain", methods=["GET", "POST"])
    def plain() -> str:
        flask.session["seen"] = 1
        len(flask.request.form) + len(flask.request.files)
        return "plain"

    @app.websocket("/w")
    @app.websocket("/w/<int:n>")
    async def socket(**values: Any) -> None:
        while True:
            await quart.websocket.send(await quart.websocket.receive())

    return app


LONG = b"content-length", b"9" * 5000
APPS = {"flask": Flask, "quart": Quart}


async def served(app: Any, scope: dict[str, Any], says: list[Any]) -> list[dict[str, Any]]:
    """Return what *app* sends to a client that says all this and leaves."""
    sent: list[dict[str, Any]] = []
    queue = list(says)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if queue:
            return dict(queue.pop(0))
        return dict(GONE) if scope["type"] == "http" else {"type": "websocket.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def check_answer(sent: list[dict[str, Any]], prefix: str = "http.response") -> None:
    """Check that this is a valid answer, and not that of an error of ours."""
    start, *bodies = sent
    assert start["type"] == f"{prefix}.start"
    assert start["status"] < 500, start
    for name, value in start["headers"]:
        assert not {b"\r", b"\n"} & {name[i : i + 1] for i in range(len(name))}
        assert b"\r" not in value
        assert b"\n" not in value
    assert {message["type"] for message in bodies} == {f"{prefix}.body"}
    assert [m.get("more_body", False) for m in bodies] == [True] * (len(bodies) - 1) + [False]


@pytest.mark.parametrize("kind", APPS)
def test_requests(kind: str) -> None:
    app = application(APPS[kind])

    @given(SCOPES, METHODS, st.lists(BODY | st.just(GONE), max_size=4))
    @example(scope={"path": "http://[/", "headers": []}, method="GET", says=[])
    @example(scope={"path": f"/n/{'9' * 5000}"}, method="GET", says=[])
    @example(
        scope={"path": "/plain", "headers": [(b"content-length", b"9" * 5000)]},
        method="POST",
        says=[],
    )
    @example(scope={"path": "/s/a", "query_string": b"\xff"}, method="GET", says=[])
    @example(scope={"path": "/s/a", "headers": [(b"host", b"\xff")]}, method="GET", says=[])
    def check(scope: dict[str, Any], method: str, says: list[Any]) -> None:
        full = {**scope_for("http", "/", method), **scope}
        if full.get("raw_path") is None:
            full.pop("raw_path", None)
        sent = run(served(app, full, says))
        if sent:  # Nothing, if the client had left.
            check_answer(sent)

    check()


@pytest.mark.parametrize("kind", APPS)
def test_websockets(kind: str) -> None:
    app = application(APPS[kind])

    @given(SCOPES, st.lists(FRAMES, max_size=4), st.sampled_from(["/w", "/w/7", None]))
    @example(scope={}, says=[], path=f"/w/{'9' * 5000}")
    def check(scope: dict[str, Any], says: list[Any], path: str | None) -> None:
        full = {**scope_for("websocket", "/"), **scope}
        full["path"] = full["path"] if path is None else path
        if full.get("raw_path") is None:
            full.pop("raw_path", None)
        sent = run(served(app, full, [{"type": "websocket.connect"}, *says]))
        if sent and sent[0]["type"].startswith("websocket.http"):
            check_answer(sent, "websocket.http.response")
        else:
            assert [m["type"] for m in sent if m["type"] != "websocket.send"] in (
                ["websocket.accept"],
                ["websocket.accept", "websocket.close"],
                ["websocket.close"],
            )

    check()
