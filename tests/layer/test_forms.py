"""Forms are the same for both faces of a request, whichever parses them."""

from __future__ import annotations

import io
from typing import Any

import flask
import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict
from werkzeug.formparser import FormDataParser as WerkzeugsParser

import quart
from quart import Quart
from quart.formparser import FormDataParser as CoreParser
from quart.wrappers import Request as CoreRequest

from ._asgi import Exchange, run

MULTIPART = "multipart/form-data; boundary=b"
HEAD = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
A_FILE = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nX: 1\r\n\r\n'

PADDED = HEAD.replace(b"--b", b"--b" + b" " * 99)
LONG = HEAD.replace(b"\r\n\r\n", b"; x=" + b"x" * 17_000 + b"\r\n\r\n1")
ABSURD = A_FILE.replace(b"X: 1", b"Content-Length: " + b"9" * 5000)

BODIES: dict[str, tuple[str, bytes]] = {
    "fields": (MULTIPART, HEAD + b"1\r\n" + HEAD + b"2\r\n--b--"),
    "a file": (MULTIPART, A_FILE + b"content\r\n" + HEAD + b"1\r\n--b--\r\n"),
    "a large file": (MULTIPART, A_FILE + b"x" * 700_000 + b"\r\n--b--"),
    "a very large file": (MULTIPART, A_FILE + b"x" * 1_200_000 + b"\r\n--b--"),
    "blanks after a boundary": (
        MULTIPART,
        HEAD.replace(b"--b", b"--b" + b" " * 99) + b"1\r\n--b--",
    ),
    "no end": (MULTIPART, HEAD + b"1\r\n"),
    "no disposition": (MULTIPART, b"--b\r\nX: y\r\n\r\n1\r\n--b--"),
    "no boundary": ("multipart/form-data", HEAD + b"1\r\n--b--"),
    "a boundary of 201": (f"multipart/form-data; boundary={'b' * 201}", b"--" + b"b" * 201 + b"--"),
    "a boundary that is not ASCII": ("multipart/form-data; boundary=\xe4", b"--\xe4--"),
    "a line break in the boundary": ("multipart/form-data; boundary*=utf-8''a%0Ab", b"--a\nb--"),
    "too many parts": (MULTIPART, (HEAD + b"1\r\n") * 6 + b"--b--"),
    "a large field": (MULTIPART, HEAD + b"1" * 300_000 + b"\r\n--b--"),
    "a long head": (MULTIPART, LONG),
    "an absurd length": (MULTIPART, ABSURD + b"\r\n--b--"),
    "urlencoded": ("application/x-www-form-urlencoded", b"a=1&a=%C3%A4&b=&c=%FF&=&d"),
    "urlencoded, not UTF-8": ("application/x-www-form-urlencoded", b"a=\xff"),
    "a type that is no form's": ("application/x-url-encoded", b"a=1"),
    "another type": ("text/plain", b"a=1"),
}


def told(form: Any, files: Any) -> Any:
    def told_of(file: Any) -> list[Any]:
        is_on_disk = getattr(file.stream, "_rolled", None)
        return [file.filename, file.mimetype, len(file.read()), is_on_disk]

    uploads = [[name, *told_of(file)] for name, file in files.items(multi=True)]
    return {"form": form.to_dict(flat=False), "files": uploads}


def serve(app: Any) -> None:
    @app.post("/plain")
    def plain() -> Any:
        return told(flask.request.form, flask.request.files)

    @app.post("/bridged")
    async def bridged() -> Any:
        return told(flask.request.form, flask.request.files)

    @app.post("/awaited")
    async def awaited() -> Any:
        return told(await quart.request.form, await quart.request.files)


async def post(app: Any, path: str, content_type: str, body: bytes, size: int) -> Any:
    headers = [("Content-Type", content_type)]
    async with Exchange(app, path, "POST", headers) as exchange:
        for start in range(0, len(body), size):
            exchange.body_arrives(body[start : start + size], more=True)
        exchange.body_arrives()
        answer = await exchange.end()
        return answer.json if answer.status == 200 else answer.status


@pytest.mark.parametrize("name", BODIES)
def test_both_faces_find_the_same(either_app: Flask | Quart, name: str) -> None:
    app = either_app
    app.config.update(MAX_FORM_MEMORY_SIZE=200_000, MAX_FORM_PARTS=5, MAX_CONTENT_LENGTH=None)
    serve(app)
    content_type, body = BODIES[name]

    async def main() -> list[Any]:
        return [
            await post(app, path, content_type, body, size)
            for path in ("/awaited", "/plain", "/bridged")
            for size in (1 << 22, max(len(body) // 90, 1))
        ]

    first, *others = run(main())
    assert others == [first] * 5
    refused = {"a boundary of 201": 400, "a line break in the boundary": 400, "too many parts": 413}
    refused |= {"a large field": 413, "a long head": 413}
    assert first == refused.get(name, first)
    assert isinstance(first, int) == (name in refused)
    if content_type.startswith(("text/", "application/x-url-")):
        assert first == {"form": {}, "files": []}


class Shouting(WerkzeugsParser):
    """An application's own parser, of Flask's kind."""

    def parse(self, stream: Any, *args: Any, **options: Any) -> Any:
        return stream, MultiDict({"a": stream.read().decode().upper()}), MultiDict()


class Whispering(CoreParser):
    """One of Quart's kind."""

    async def parse(self, body: Any, *args: Any, **options: Any) -> Any:
        return MultiDict({"a": (await body).decode().lower()}), MultiDict()


@pytest.mark.parametrize("content_type", [MULTIPART, "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("kind", [Flask, Quart])
def test_an_applications_own_parser_is_that_of_both_faces(kind: Any, content_type: str) -> None:
    class FlasksRequest(flask.Request):
        form_data_parser_class = Shouting

    class QuartsRequest(CoreRequest):
        form_data_parser_class = Whispering

    class App(kind):  # type: ignore[misc]  # one of two
        request_class = FlasksRequest if kind is Flask else QuartsRequest

    app = App(__name__)
    serve(app)

    async def main() -> list[Any]:
        paths = "/plain", "/bridged", "/awaited"
        return [await post(app, path, content_type, b"Aa", 1) for path in paths]

    expected = {"form": {"a": ["AA" if kind is Flask else "aa"]}, "files": []}
    assert run(main()) == [expected] * 3


def test_an_application_may_say_where_files_go() -> None:
    asked: list[dict[str, Any]] = []

    class Request(flask.Request):
        def _get_file_stream(  # type: ignore[override]  # as it may be written
            self,
            content_length: Any,
            *,
            content_type: Any,
            filename: Any,
            total_content_length: Any,
        ) -> Any:
            asked.append({"name": filename, "type": content_type, "length": content_length})
            return io.BytesIO()

    class App(Flask):
        request_class = Request

    app = App(__name__)
    serve(app)
    body = A_FILE.replace(b"X: 1", b"Content-Length: 3") + b"abc\r\n--b--"

    async def main() -> list[Any]:
        return [await post(app, p, MULTIPART, body, 9) for p in ("/plain", "/bridged", "/awaited")]

    first, *others = run(main())
    assert first["files"] == [["f", "x.txt", "", 3, None]]
    assert others == [first] * 2
    assert asked == [{"name": "x.txt", "type": None, "length": 3}] * 3


def test_the_longest_boundary_of_flasks_client(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Werkzeug makes it of a time and a random number, at times longer than RFC 2046 allows."""
    monkeypatch.setattr("werkzeug.test.random", lambda: 1.2345678901234567e-05)
    monkeypatch.setattr("werkzeug.test.time", lambda: 1764385000.1234567)

    @app.post("/")
    def view() -> str:
        assert len(flask.request.mimetype_params["boundary"]) > 70
        return flask.request.form["name"] + flask.request.files["file"].read().decode()

    upload = {"name": "Ada", "file": (io.BytesIO(b"content"), "a.txt")}
    assert app.test_client().post("/", data=upload).text == "Adacontent"
