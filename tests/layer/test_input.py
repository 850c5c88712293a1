"""A request's body in plain code, with and without an environ, and what is left of a request."""

from __future__ import annotations

import gc
import io
import time
import weakref
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import werkzeug.formparser
import werkzeug.wrappers
from flask import Flask, Request, request, session, stream_with_context
from werkzeug.datastructures import MultiDict
from werkzeug.test import EnvironBuilder

import quart
from quart_flask_patch import genuine, wait

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


@pytest.mark.parametrize("seed", range(20))
def test_reads_of_any_size_give_what_a_file_gives(app: Flask, place: str, seed: int) -> None:
    random = Random(seed)
    pieces = [random.randbytes(random.choice([1, 2, 7, 64])) for _ in range(12)]
    sizes = [random.choice([0, 1, 3, 64, 100, -1, None]) for _ in range(12)]

    def read_from(stream: Any) -> list[Any]:
        return [list(stream.read(size)) for size in sizes]

    @app.post("/")
    def view() -> Any:
        return read_from(request.stream)

    async def main() -> Any:
        async with Exchange(app, "/", "POST") as exchange:
            for piece in pieces:
                exchange.body_arrives(piece, more=True)
            exchange.body_arrives(b"")
            return (await exchange.end()).json

    assert run(main()) == read_from(io.BytesIO(b"".join(pieces)))


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


# Called anew for each request, which the proxy stands for.
# ruff: noqa: PLW0108
FACES: dict[str, Any] = {
    "get_data": lambda: request.get_data(),
    "data": lambda: request.data,
    "form": lambda: request.form,
    "files": lambda: request.files,
    "values": lambda: request.values,
    "get_json": lambda: request.get_json(force=True),
    "stream": lambda: request.stream.read(),
    "lines": lambda: list(request.stream),
    "one byte after another": lambda: [*iter(lambda: request.stream.read(1), b"")],
    "input": lambda: request.environ["wsgi.input"].read(),
    "stream after environ": lambda: [request.environ, request.stream.read()],
}
ASYNC_FACES: dict[str, Any] = {
    "awaited data": lambda: quart.request.get_data(),
    "awaited form": lambda: quart.request.form,
    "awaited files": lambda: quart.request.files,
    "awaited json": lambda: quart.request.get_json(force=True),
    "awaited body": lambda: quart.request.body,
    "chunks": lambda: all_chunks(),
}
KINDS_OF_BODY = {
    "multipart": ("multipart/form-data; boundary=b", b"--b\r\n"),
    "urlencoded": ("application/x-www-form-urlencoded", b"a="),
}


async def all_chunks() -> list[bytes]:
    return [chunk async for chunk in quart.request.body]


@pytest.fixture(params=["plain", "async"])
def reader(request: pytest.FixtureRequest, app: Flask) -> str:
    """How a view is written that reads in every way there is."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def plain(read: str) -> str:
        if read in ASYNC_FACES:
            wait(awaited(read))
        else:
            FACES[read]()
        return "read"

    async def awaited(read: str) -> str:
        if read in ASYNC_FACES:
            await ASYNC_FACES[read]()
        else:
            FACES[read]()
        return "read"

    app.post("/<read>")(plain if request.param == "plain" else awaited)
    return str(request.param)


@pytest.mark.parametrize("kind", KINDS_OF_BODY)
@pytest.mark.parametrize("read", [*FACES, *ASYNC_FACES])
def test_a_body_that_does_not_come_in_time(
    app: Flask, place: str, reader: str, read: str, kind: str
) -> None:
    app.config.update(BODY_TIMEOUT=0.05, SYNC_THREADS=1)
    content_type, start = KINDS_OF_BODY[kind]

    async def main() -> tuple[int, str]:
        async with Exchange(app, f"/{read}", "POST", [("Content-Type", content_type)]) as exchange:
            exchange.body_arrives(start, more=True)
            status = (await exchange.end()).status
        # And its thread is free again.
        async with Exchange(app, "/stream", "POST") as exchange:
            exchange.body_arrives(b"")
            return status, (await exchange.end()).text

    assert run(main()) == (408, "read")


def test_a_flask_application_has_the_cores_time() -> None:
    assert Flask("x").config["BODY_TIMEOUT"] == quart.Quart("x").config["BODY_TIMEOUT"] == 60


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize("read", [*FACES, *ASYNC_FACES])
def test_the_limit_holds_for_a_body_without_a_length(
    app: Flask, place: str, reader: str, read: str, is_over: bool
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10

    async def main() -> int:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        async with Exchange(app, f"/{read}", "POST", headers) as exchange:
            for _ in range(9):
                exchange.body_arrives(b"1", more=True)
            exchange.body_arrives(b"11" if is_over else b"1")
            return (await exchange.end()).status

    assert run(main()) == (413 if is_over else 200)


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


@pytest.mark.parametrize("name", ["max_content_length", "max_form_memory_size", "max_form_parts"])
def test_a_limit_is_the_requests_own_or_the_configured_one(app: Flask, name: str) -> None:
    app.config[name.upper()] = 12
    with app.test_request_context("/"):
        assert getattr(request, name) == 12
        setattr(request, name, 5)
        assert getattr(request, name) == 5
        setattr(request, name, None)
        assert getattr(request, name) == 12
        outside = request._get_current_object()  # type: ignore[attr-defined]  # a proxy's
    flasks = genuine.Request(outside.environ)
    assert getattr(outside, name) == getattr(flasks, name)


def test_parameters_of_a_content_type_are_of_one_request(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        seen = dict(request.mimetype_params), request.mimetype, request.is_json
        request.mimetype_params["seen"] = "yes"
        return [*seen, request.mimetype_params["seen"]]

    async def main() -> Any:
        headers = [("Content-Type", "Application/JSON; charset=utf-8")]
        return [(await fetch(app, "/", "POST", b"1", headers)).json for _ in range(2)]

    assert run(main()) == [[{"charset": "utf-8"}, "application/json", True, "yes"]] * 2


def test_files_of_a_form_are_closed_at_its_end(app: Flask, place: str) -> None:
    files: list[Any] = []

    @app.post("/")
    def view() -> str:
        files.extend(request.files.values())
        return request.form["a"]

    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nfield\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nfile\r\n--x--\r\n'
    )
    headers = [("Content-Type", "multipart/form-data; boundary=x")]
    assert run(fetch(app, "/", "POST", body, headers)).text == "field"
    assert [file.closed for file in files] == [True]


FORMS = [b"", b"a=1", b"a=1&a=2&b=", b"a+b=%20c%3D&=x&d", b"a=%ff&b=\xc3\xa9", b"a=\xff", b"&&a=1&"]


@pytest.mark.parametrize("body", FORMS, ids=repr)
def test_a_form_has_the_fields_that_werkzeug_finds(app: Flask, place: str, body: bytes) -> None:
    @app.post("/")
    def view() -> Any:
        kinds = type(request.form).__name__, type(request.files).__name__
        return [*kinds, request.form.to_dict(flat=False), request.get_data().decode()]

    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    environ = EnvironBuilder("/", method="POST", data=body, headers=headers).get_environ()
    expected = genuine.Request(environ).form.to_dict(flat=False)
    answer = run(fetch(app, "/", "POST", body, headers)).json
    assert answer == ["ImmutableMultiDict", "ImmutableMultiDict", expected, ""]


def test_a_form_after_its_data(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        return [request.get_data().decode(), request.form["a"], request.values["a"]]

    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert run(fetch(app, "/", "POST", b"a=1", headers)).json == ["a=1", "1", "1"]


class Parser(werkzeug.formparser.FormDataParser):
    def _parse_urlencoded(self, stream: Any, *args: Any) -> Any:
        return stream, self.cls({"mine": stream.read().decode()}), self.cls()


class WithParser(werkzeug.wrappers.Request):
    form_data_parser_class = Parser


class WithMethod(werkzeug.wrappers.Request):
    def make_form_data_parser(self) -> Any:
        return Parser(cls=self.parameter_storage_class)


class WithStorage(werkzeug.wrappers.Request):
    parameter_storage_class = MultiDict


@pytest.mark.parametrize("kind", [WithParser, WithMethod])
def test_a_request_class_with_a_parser_of_its_own(app: Flask, place: str, kind: Any) -> None:
    app.request_class = type("Mine", (kind, Request), {})
    app.add_url_rule("/", view_func=lambda: request.form["mine"], methods=["POST"])
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert run(fetch(app, "/", "POST", b"a=1", headers)).text == "a=1"


def test_a_request_class_with_a_storage_of_its_own(app: Flask, place: str) -> None:
    app.request_class = type("Mine", (WithStorage, Request), {})
    app.add_url_rule("/", view_func=lambda: type(request.form).__name__, methods=["POST"])
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert run(fetch(app, "/", "POST", b"a=1", headers)).text == "MultiDict"


def test_debug_mode_says_why_a_file_is_not_there(app: Flask, place: str) -> None:
    app.debug = True

    @app.post("/")
    def view() -> str:
        assert request.form["file"] == "name"
        with pytest.raises(KeyError, match="multipart/form-data"):
            _ = request.files["file"]
        return "seen"

    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    assert run(fetch(app, "/", "POST", b"file=name", headers)).text == "seen"
