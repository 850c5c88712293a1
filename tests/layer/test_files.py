"""What `send_file` gives, on servers."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request, Response, send_file
from werkzeug.wsgi import FileWrapper, wrap_file

import quart

from ._asgi import fetch, run, scope_for


@pytest.fixture
def served(app: Flask, place: str, tmp_path: Path) -> Flask:
    """An application that sends a file as large as the URL says."""

    @app.get("/<int:size>")
    def view(size: int) -> Any:
        path = tmp_path / "file.bin"
        path.write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
        return send_file(path, conditional="plain" not in request.args)

    return app


@pytest.mark.parametrize("size", [0, 1, 700, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_files_of_all_sizes(served: Flask, size: int) -> None:
    for path in (f"/{size}", f"/{size}?plain"):
        answer = run(fetch(served, path))
        ours = served.test_client().get(path)
        assert answer.status == ours.status_code == 200
        assert answer.body == ours.data
        assert int(answer.headers["content-length"]) == len(answer.body) == size
        ours.close()
        head = run(fetch(served, path, "HEAD"))
        assert (head.body, head.headers["content-length"]) == (b"", str(size))


def test_a_part_of_a_file(served: Flask) -> None:
    answer = run(fetch(served, "/700", headers=[("Range", "bytes=10-19")]))
    assert (answer.status, answer.body) == (206, bytes(range(10, 20)))


@pytest.mark.parametrize("async_place", ["loop", "own-loop"])
def test_async_views_send_files_by_the_function_of_quart(
    app: Flask, async_place: str, tmp_path: Path
) -> None:
    app.config["ASYNC_PLACE"] = async_place
    (tmp_path / "file.txt").write_text("content")

    @app.get("/path")
    async def of_a_path() -> Any:
        return await quart.send_file(tmp_path / "file.txt", conditional=True)

    @app.get("/file")
    async def of_a_file() -> Any:
        return await quart.send_file(io.BytesIO(b"content"), "text/plain")

    for path in ("/path", "/file"):
        assert run(fetch(app, path)).text == app.test_client().get(path).text == "content"
    part = run(fetch(app, "/path", headers=[("Range", "bytes=0-2")]))
    assert (part.status, part.text) == (206, "con")
    fields = [("If-None-Match", run(fetch(app, "/path")).headers["etag"])]
    assert run(fetch(app, "/path", headers=fields)).status == 304


def test_what_is_to_happen_at_the_end_happens_once(app: Flask, place: str, tmp_path: Path) -> None:
    closed: list[str] = []
    (tmp_path / "file.txt").write_text("content")

    @app.get("/")
    def view() -> Any:
        response = send_file(tmp_path / "file.txt")
        response.call_on_close(lambda: closed.append("closed"))
        return response

    assert run(fetch(app, "/")).text == "content"
    assert closed == ["closed"]


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize("place", [None, "loop", "thread"])
def test_the_client_is_sent_a_file_in_each_place(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str | None, size: int
) -> None:
    if place is not None:
        monkeypatch.setenv("QUART_SYNC_PLACE", place)
    (tmp_path / "file.txt").write_bytes(b"x" * size)
    app.add_url_rule("/file", view_func=lambda: send_file(tmp_path / "file.txt"))
    for buffered in (False, True):
        with app.test_client().get("/file", buffered=buffered) as response:
            assert response.data == b"x" * size
            assert response.content_length == size


@pytest.mark.parametrize("size", [256 * 1024 + 1, 300_000])
def test_a_server_that_can_is_told_the_path(served: Flask, tmp_path: Path, size: int) -> None:
    async def main() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = scope_for("http", f"/{size}") | {"extensions": {"http.response.pathsend": {}}}
        await served(scope, receive, send)
        return sent

    start, end = run(main())
    assert (b"content-length", b"%d" % size) in start["headers"]
    assert end == {"type": "http.response.pathsend", "path": str(tmp_path / "file.bin")}


@pytest.mark.parametrize("size", [64 * 1024, 256 * 1024, 256 * 1024 + 1, 2_000_000])
def test_a_file_takes_few_messages(served: Flask, size: int) -> None:
    """Werkzeug's own pieces, of 8 KiB, would be a message each."""
    answer = run(fetch(served, f"/{size}"))
    assert len(answer.body) == size
    assert len(answer.messages) <= 3 + size // (64 * 1024)


def test_a_file_of_unknown_length_is_read_as_werkzeug_reads_it(app: Flask, place: str) -> None:
    asked: list[int] = []

    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    @app.get("/")
    def view() -> Any:
        return Response(wrap_file(request.environ, Pipe(b"x" * 20_000)), direct_passthrough=True)

    assert run(fetch(app, "/")).body == b"x" * 20_000
    assert set(asked) == {8192}


@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_file_wrapper_that_was_patched_is_stepped(
    served: Flask, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    steps: list[object] = []
    step = FileWrapper.__next__

    def counted(self: FileWrapper) -> bytes:
        steps.append(self)
        return step(self)

    monkeypatch.setattr(FileWrapper, "__next__", counted)
    assert len(run(fetch(served, f"/{size}")).body) == size
    assert steps


def _passing_on(file: Any, size: int) -> Response:
    length = {"Content-Length": str(size)}
    body = wrap_file(request.environ, file)
    return Response(body, headers=length, direct_passthrough=True)


@pytest.mark.parametrize("begin", [0, 10, 299_999])
def test_an_open_file_is_passed_on_from_where_it_stands(
    app: Flask, place: str, tmp_path: Path, begin: int
) -> None:
    content = bytes(range(250)) * 1200
    (tmp_path / "file.bin").write_bytes(content)
    opened: list[Any] = []

    @app.get("/")
    def view() -> Any:
        opened.append(file := (tmp_path / "file.bin").open("rb"))
        assert file.read(begin) == content[:begin]
        return _passing_on(file, len(content) - begin)

    assert run(fetch(app, "/")).body == content[begin:]
    assert opened[0].closed


def test_a_pipe_of_a_known_length_is_read_as_it_comes(app: Flask, place: str) -> None:
    size = 300_000

    @app.get("/")
    def view() -> Any:
        reading, writing = os.pipe()

        def write() -> None:
            with open(writing, "wb") as pipe:
                pipe.write(b"x" * size)

        threading.Thread(target=write).start()
        return _passing_on(open(reading, "rb"), size)

    assert run(fetch(app, "/")).body == b"x" * size
