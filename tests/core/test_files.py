"""Answering with files."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta, UTC
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from quart import Quart, Response, send_file, send_from_directory
from quart.wrappers.response import FileBody

from .driver import exchange

CONTENT = bytes(range(256)) * 1024
WHEN = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (WHEN.timestamp(), WHEN.timestamp()))
    return path


def ask(
    view: Any,
    method: str = "GET",
    config: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[Response, bytes]:
    """Return the response, and its body, of an application with this one view."""
    app = Quart(__name__)
    app.testing = True
    app.config.update(config or {})

    @app.route("/")
    async def index() -> Any:
        return await view()

    async def main() -> tuple[Any, bytes]:
        response = await app.test_client().open("/", method=method, headers=headers)
        return response, await response.get_data(as_text=False)

    return asyncio.run(main())


@pytest.mark.parametrize("kind", [Path, str, os.fsencode])
def test_a_path(file: Path, kind: Any) -> None:
    response, body = ask(lambda: send_file(kind(file)))
    assert body == CONTENT
    assert response.content_length == len(CONTENT)
    assert response.mimetype == "application/octet-stream"
    assert response.last_modified == WHEN
    assert response.get_etag()[0] is not None
    assert "Content-Disposition" not in response.headers


def test_head_says_how_much_it_would_be(file: Path) -> None:
    response, body = ask(lambda: send_file(file), "HEAD")
    assert (response.status_code, response.content_length, body) == (200, len(CONTENT), b"")


def test_a_file_in_memory() -> None:
    response, body = ask(lambda: send_file(BytesIO(CONTENT), "image/png"))
    assert (body, response.content_length, response.mimetype) == (
        CONTENT,
        len(CONTENT),
        "image/png",
    )
    assert response.get_etag() == (None, None)


def test_an_open_file(file: Path) -> None:
    with file.open("rb") as opened:
        response, body = ask(lambda: send_file(opened, attachment_filename="x.png"))
    assert (body, response.mimetype) == (CONTENT, "image/png")


@pytest.mark.parametrize(
    ("source", "message"),
    [(BytesIO(b""), "Pass mimetype or attachment_filename"), (StringIO(""), "binary mode")],
)
def test_what_cannot_be_sent(source: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask(lambda: send_file(source))


@pytest.mark.parametrize(
    ("name", "mimetype", "encoding"),
    [("a.txt", "text/plain", None), ("a.tar.gz", "application/x-tar", "gzip"), ("a", None, None)],
)
def test_the_type_comes_from_the_name(
    tmp_path: Path, name: str, mimetype: Any, encoding: Any
) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    response, _ = ask(lambda: send_file(path))
    assert response.mimetype == (mimetype or "application/octet-stream")
    assert response.headers.get("Content-Encoding") == encoding
    assert "Content-Encoding" not in ask(lambda: send_file(path, as_attachment=True))[0].headers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"as_attachment": True}, "attachment; filename=data.bin"),
        ({"as_attachment": True, "attachment_filename": "a b"}, 'attachment; filename="a b"'),
        ({"download_name": "a"}, "inline; filename=a"),
        (
            {"as_attachment": True, "download_name": "ü"},
            "attachment; filename=u; filename*=UTF-8''%C3%BC",
        ),
    ],
)
def test_the_name_to_save_it_under(file: Path, options: Any, expected: str) -> None:
    response, _ = ask(lambda: send_file(file, **options))
    assert response.headers["Content-Disposition"] == expected


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, CONTENT[:4]),
        ("bytes=-4", 206, CONTENT[-4:]),
        (f"bytes={len(CONTENT) - 2}-", 206, CONTENT[-2:]),
        ("bytes=70000-200000", 206, CONTENT[70000:200001]),
    ],
)
@pytest.mark.parametrize("memory", [True, False])
def test_ranges(file: Path, asked: str, status: int, body: bytes, memory: bool) -> None:
    def view() -> Any:
        source = BytesIO(CONTENT) if memory else file
        return send_file(source, "image/png", conditional=True)

    response, received = ask(view, headers={"Range": asked})
    assert (response.status_code, response.content_length) == (status, len(body))
    assert received == body
    assert response.headers.get("Accept-Ranges") == "bytes"


@pytest.mark.parametrize(
    "asked", ["bytes=9999999-", "bytes=0-1,4-5", "bytes=5-2", "bytes=-0", "bits=0-1", "all"]
)
def test_a_range_outside_of_the_file(file: Path, asked: str) -> None:
    """As Flask has it, one that is more than one range, or none, is outside as well."""

    async def view() -> Any:
        return await send_file(file, conditional=True)

    response, _ = ask(view, headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_a_file_that_was_handed_over_is_closed_when_its_range_is_wrong() -> None:
    opened = BytesIO(b"1234")
    response, _ = ask(
        lambda: send_file(opened, "a/b", conditional=True), headers={"Range": "bytes=9-"}
    )
    assert (response.status_code, opened.closed) == (416, True)


def test_it_is_not_sent_again_if_unchanged(file: Path) -> None:
    def view() -> Any:
        return send_file(file, conditional=True)

    response, _ = ask(view)
    for header, name in ("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"):
        again, body = ask(view, headers={header: response.headers[name]})
        assert (again.status_code, body) == (304, b"")
    os.utime(file, (1, 1))
    assert ask(view, headers={"If-None-Match": response.headers["ETag"]})[0].status_code == 200


def test_only_on_request_is_it_conditional(file: Path) -> None:
    response, body = ask(lambda: send_file(file), headers={"Range": "bytes=0-3"})
    assert (response.status_code, body) == (200, CONTENT)


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        ({}, None, {"public", "max-age=43200"}),
        ({}, {"SEND_FILE_MAX_AGE_DEFAULT": None}, {"no-cache"}),
        ({}, {"SEND_FILE_MAX_AGE_DEFAULT": 5}, {"public", "max-age=5"}),
        ({"cache_timeout": 7}, None, {"public", "max-age=7"}),
        ({"max_age": 7}, None, {"public", "max-age=7"}),
        ({"cache_timeout": 0}, None, {"no-cache", "max-age=0"}),
    ],
)
def test_how_long_it_may_be_kept(file: Path, options: Any, config: Any, expected: set[str]) -> None:
    response, _ = ask(lambda: send_file(file, **options), config=config)
    assert set(response.headers["Cache-Control"].split(", ")) == expected
    age = response.cache_control.max_age
    if age is None:
        assert response.expires is None
    else:
        assert response.expires is not None
        left = response.expires - datetime.now(UTC)
        assert timedelta(seconds=age - 60) < left <= timedelta(seconds=age)


@pytest.mark.parametrize("when", [WHEN - timedelta(1), (WHEN - timedelta(1)).timestamp()])
def test_the_date_and_the_tag_can_be_given(file: Path, when: Any) -> None:
    response, _ = ask(lambda: send_file(file, last_modified=when, etag="mine"))
    assert response.last_modified == WHEN - timedelta(1)
    assert response.get_etag() == ("mine", False)
    options: list[dict[str, Any]] = [{"add_etags": False}, {"etag": False}]
    for option in options:
        assert "ETag" not in ask(lambda: send_file(file, **option))[0].headers  # noqa: B023


class _OwnTag(Response):
    def set_etag(self, etag: str, weak: bool = False) -> None:
        super().set_etag(etag, weak)


class _OwnHeaders(Response):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["cache-control"] = "private"


@pytest.mark.parametrize("kind", [_OwnTag, _OwnHeaders])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"as_attachment": True},
        {"max_age": 0},
        {"max_age": 3600},
        {"max_age": -1},
        {"max_age": 2.5},
        {"etag": False},
        {"etag": ""},
        {"etag": "a b"},
        {"etag": "ü"},
        {"last_modified": WHEN},
        {"last_modified": 0},
        {"mimetype": "text/plain", "conditional": True},
    ],
)
def test_a_response_of_ones_own_gets_the_same_headers_by_its_properties(
    file: Path, options: Any, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart._files._after", lambda age: WHEN + timedelta(seconds=age))
    expected = ask(lambda: send_file(file, **options))[0].headers.to_wsgi_list()
    monkeypatch.setattr(Quart, "response_class", kind)
    found = ask(lambda: send_file(file, **options))[0].headers
    if kind is _OwnHeaders:
        assert found["Cache-Control"].startswith("private, ")
        assert len(found) == len(expected)
    else:
        assert found.to_wsgi_list() == expected


@pytest.mark.parametrize("etag", ['a"b', "a\nb", "a\r\nSet-Cookie: b=c"])
def test_a_tag_that_is_none_is_refused(file: Path, etag: str) -> None:
    with pytest.raises(ValueError, match=r"etag|newline"):
        ask(lambda: send_file(file, etag=etag))


def test_the_server_in_front_may_send_it(file: Path) -> None:
    response, body = ask(lambda: send_file(file), config={"USE_X_SENDFILE": True})
    assert response.headers["X-Sendfile"] == str(file)
    assert body == b""


def test_a_directory(file: Path) -> None:
    response, body = ask(
        lambda: send_from_directory(file.parent, file.name), headers={"Range": "bytes=0-3"}
    )
    assert (response.status_code, body) == (206, CONTENT[:4])
    assert ask(lambda: send_from_directory(bytes(file.parent), file.name))[1] == CONTENT


@pytest.mark.parametrize("name", ["missing", "../data.bin", "/etc/hosts", ".", "", "a\0b"])
def test_what_is_not_in_the_directory_is_not_found(file: Path, name: str) -> None:
    inner = file.parent / "inner"
    inner.mkdir()

    async def view() -> Any:
        with pytest.raises(NotFound):
            await send_from_directory(inner, name)
        return ""

    ask(view)


# --- A server that can send files by itself -------------------------------------------------------

OFFER: dict[str, Any] = {"http.response.pathsend": {}}


def sent_for(response: Any, offer: dict[str, Any] = OFFER, **values: Any) -> list[Any]:
    """Return the messages, and their types' last part, with what *response* makes as the answer."""
    app = Quart(__name__)

    @app.route("/", methods=["GET", "POST"])
    async def index() -> Any:
        return await response()

    messages = exchange(app, "request", extensions=offer, **values).messages
    return [(message["type"].rpartition(".")[2], message) for message in messages]


def test_a_server_that_offers_to_send_a_file_is_told_its_path(file: Path) -> None:
    for offer in (OFFER, {}):
        messages = sent_for(lambda: send_file(file), offer)
        if offer:
            assert messages[-1] == (
                "pathsend",
                {"type": "http.response.pathsend", "path": str(file)},
            )
            assert len(messages) == 2
        else:
            assert b"".join(message["body"] for _, message in messages[1:]) == CONTENT
        assert (b"content-length", b"%d" % len(CONTENT)) in messages[0][1]["headers"]


class _Reversed(FileBody):
    async def _read(self) -> Any:
        yield self.file_path.read_bytes()[::-1]


async def _grown(file: Path) -> Response:
    response = await send_file(file)
    file.write_bytes(CONTENT * 2)  # noqa: ASYNC240
    return response


async def _of_another_kind(file: Path) -> Response:
    response = await send_file(file)
    response.response = _Reversed(file)
    return response


async def _in_part(file: Path) -> Response:
    response = await send_file(file)
    await response.response.make_conditional(1, 3)  # type: ignore[attr-defined]
    response.content_length = 2
    return response


async def _to_be_removed(file: Path) -> Response:
    response = await send_file(file)
    response.call_on_close(file.unlink)
    return response


@pytest.mark.parametrize("make", [_grown, _of_another_kind, _in_part, _to_be_removed])
def test_it_is_not_where_that_would_send_something_else(file: Path, make: Any) -> None:
    types = [kind for kind, _ in sent_for(lambda: make(file))]
    assert "pathsend" not in types
    assert types[-1] == "body"


def test_a_replaced_way_to_read_a_file_is_asked(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sent_for(lambda: send_file(file))[-1][0] == "pathsend"
    own = FileBody._open
    opened: list[Path] = []

    def noted(self: FileBody) -> Any:
        opened.append(self.file_path)
        return own(self)

    monkeypatch.setattr(FileBody, "_open", noted)
    assert sent_for(lambda: send_file(file))[-1][0] == "body"
    assert opened == [file]
