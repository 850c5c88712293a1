"""A request's body in plain code, with and without an environ, and what is left of a request."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request, session, stream_with_context

import quart

from ._asgi import Exchange, fetch, LIMIT, run


def test_the_stream_is_the_environs_whichever_is_asked_for_first(app: Flask, place: str) -> None:
    @app.post("/stream")
    def stream() -> Any:
        first = request.stream.read(3)
        return [text.decode() for text in (first, request.environ["wsgi.input"].read())]

    @app.post("/environ")
    def environ() -> Any:
        first = request.environ["wsgi.input"].read(3)
        return [text.decode() for text in (first, request.stream.read(), request.get_data())]

    assert run(fetch(app, "/stream", "POST", b"abcdef")).json == ["abc", "def"]
    assert run(fetch(app, "/environ", "POST", b"abcdef")).json == ["abc", "def", ""]


def test_all_of_a_body_that_comes_in_pieces(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        return [request.stream.read(1).decode(), request.stream.read().decode()]

    async def main() -> Any:
        async with Exchange(app, "/", "POST") as exchange:
            for piece in (b"abc", b"de"):
                exchange.body_arrives(piece, more=True)
            exchange.body_arrives(b"f")
            return (await exchange.end()).json

    assert run(main()) == ["a", "bcdef"]


@pytest.mark.parametrize("read", ["stream", "get_data", "form", "get_json"])
def test_the_limit_holds_without_an_environ(app: Flask, place: str, read: str) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 5

    @app.post("/")
    def view() -> str:
        part = getattr(request, read)
        return "none" if read == "stream" else str(part() if callable(part) else part)

    kind = "application/json" if read == "get_json" else "application/x-www-form-urlencoded"
    headers = [("Content-Type", kind)]
    assert run(fetch(app, "/", "POST", b"a=1234", headers)).status == 413
    assert run(fetch(app, "/", "POST", b"12345", headers)).status == 200


def test_a_form_is_parsed_by_what_the_environ_says(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        request.environ["CONTENT_TYPE"] = ""
        return [request.want_form_data_parsed, request.get_data().decode()]

    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert run(fetch(app, "/", "POST", b"a=1", headers)).json == [False, "a=1"]


def test_a_request_is_freed_when_it_ends(app: Flask, place: str) -> None:
    seen: list[Any] = []

    @app.post("/")
    def view() -> str:
        session["a"] = len(request.environ) + len(request.form)
        faces = [request._get_current_object(), quart.request._get_current_object()]
        seen.extend(map(weakref.ref, faces))
        return "ok"

    form = [("Content-Type", "application/x-www-form-urlencoded")]
    run(fetch(app, "/", "POST", b"a=1", form))
    gc.collect()
    gc.disable()
    try:
        assert run(fetch(app, "/", "POST", b"a=1", form)).text == "ok"
        # By its references alone, or each request would be work for the garbage collector. Its
        # thread may still be about to let go of it.
        deadline = time.monotonic() + LIMIT
        while any(ref() is not None for ref in seen[-2:]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [ref() for ref in seen[-2:]] == [None, None]
    finally:
        gc.enable()


def test_a_stream_may_be_read_after_its_context_is_gone(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        body = request.stream

        def answer() -> Iterator[bytes]:
            yield body.read()

        return answer()

    @app.post("/context")
    def with_context() -> Any:
        @stream_with_context
        def answer() -> Iterator[bytes]:
            yield request.stream.read()

        return answer()

    assert run(fetch(app, "/", "POST", b"abc")).text == "abc"
    assert run(fetch(app, "/context", "POST", b"abc")).text == "abc"
