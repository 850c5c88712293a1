"""What `send_file` gives, on servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request, send_file

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


@pytest.mark.parametrize("size", [64 * 1024 + 1, 300_000])
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
