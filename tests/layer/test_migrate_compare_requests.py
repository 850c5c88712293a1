"""``migrate compare``: where its requests come from, and what is carried from answer to request."""

from __future__ import annotations

import gzip
import json
import re
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from quart_flask_patch.migrate.compare.answers import Answer
from quart_flask_patch.migrate.compare.carrying import Conversation
from quart_flask_patch.migrate.compare.recorded import CompareError, path_of, Recorded
from quart_flask_patch.migrate.compare.sources import read_source
from quart_flask_patch.migrate.compare.tokens import Tokens


def read(tmp_path: Path, name: str, content: str | bytes) -> tuple[list[Recorded], dict[str, int]]:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    source = read_source(file)
    return list(source.requests), dict(source.skipped)


def asked(requests: list[Recorded]) -> list[str]:
    return [f"{each.method} {each.path}" for each in requests]


# --- access logs ---------------------------------------------------------------------------------

COMMON = '10.0.0.1 - ann [28/Nov/2026:21:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 12\n'
COMBINED = (
    '10.0.0.2 - - [28/Nov/2026:21:00:00 +0000] "POST /b HTTP/1.1" 302 -'
    ' "https://shop.example/form" "Browser \\"9\\""\n'
)


def test_both_kinds_of_access_log_are_read(tmp_path: Path) -> None:
    (one, other), skipped = read(tmp_path, "access.log", COMMON + COMBINED)
    assert asked([one, other]) == ["GET /a?b=c", "POST /b"]
    assert (one.client, other.client) == ("10.0.0.1", "10.0.0.2")
    assert other.header("referer") == "https://shop.example/form"
    assert other.header("user-agent") == 'Browser "9"'
    assert (other.place, skipped) == ("access.log:2", {})


def test_a_log_may_be_zipped(tmp_path: Path) -> None:
    requests, _ = read(tmp_path, "access.log.1.gz", gzip.compress(COMMON.encode()))
    assert asked(requests) == ["GET /a?b=c"]


@pytest.mark.parametrize(
    "line",
    [
        "nothing of a log",
        COMMON.replace("GET /a?b=c HTTP/1.1", "-"),
        COMMON.replace("GET /a?b=c HTTP/1.1", "\\x16\\x03\\x01\\x02"),
        COMMON.replace("GET /a?b=c HTTP/1.1", "get / HTTP/1.1"),
        COMMON.replace("GET /a?b=c HTTP/1.1", "CONNECT example.com:443 HTTP/1.1"),
        COMMON.replace("GET /a?b=c HTTP/1.1", "GET /with a space HTTP/1.1"),
        COMMON.replace("GET /a?b=c HTTP/1.1", "OPTIONS * HTTP/1.1"),
        COMMON.replace('HTTP/1.1"', "HTTP/1.1"),
        "\x00" * 200,
    ],
)
def test_lines_that_are_no_request_are_counted(tmp_path: Path, line: str) -> None:
    requests, skipped = read(tmp_path, "access.log", COMMON + line.rstrip("\n") + "\n" + COMMON)
    assert asked(requests) == ["GET /a?b=c"] * 2
    assert skipped == {"lines that are no request": 1}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a", "/a"),
        ("http://proxied.example/a?b#c", "/a?b"),
        ("http://proxied.example", "/"),
        ("//double/slash", "//double/slash"),
        ("/Zoë?é=ü", "/Zo%C3%AB?%C3%A9=%C3%BC"),
        ("/already%20quoted%2F", "/already%20quoted%2F"),
        ("/<script>", "/%3Cscript%3E"),
        ("/a\r\nHost: other", "/a%0D%0AHost:%20other"),
        ("*", None),
        ("ftp://elsewhere/a", None),
    ],
)
def test_a_path_is_sent_as_it_was(target: str, path: str | None) -> None:
    assert path_of(target) == path


# --- lists ---------------------------------------------------------------------------------------

LIST = """\
# first
GET /a
GET /b?c=d HTTP/1.1
Accept: application/json

POST /form

name=Zoë&what=tea

with an empty line
PUT /json
X-Given: yes

{"a": 1,
 "b": "# no comment"}

# a comment
# of two lines

DELETE /c
POST /file
Content-Type: image/png

< picture.bin
"""


def test_a_list_has_headers_and_bodies(tmp_path: Path) -> None:
    (tmp_path / "picture.bin").write_bytes(b"\x89PNG\r\n\x00")
    requests, _ = read(tmp_path, "requests.txt", LIST)
    assert asked(requests) == [
        *("GET /a", "GET /b?c=d", "POST /form", "PUT /json", "DELETE /c", "POST /file")
    ]
    _, with_header, form, in_json, _, file = requests
    assert with_header.header("accept") == "application/json"
    assert form.body == "name=Zoë&what=tea\n\nwith an empty line".encode()
    assert form.header("content-type") == "application/x-www-form-urlencoded"
    assert in_json.body == b'{"a": 1,\n "b": "# no comment"}'
    assert in_json.headers == (("X-Given", "yes"), ("Content-Type", "application/json"))
    assert file.body == b"\x89PNG\r\n\x00"
    assert file.place == "requests.txt:21"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GET /a\nno header\n", "requests.txt:2: expected Name: value"),
        ("GET /a\n###\nget /b\n", "requests.txt:3: expected METHOD /path"),
        ("GET /a\n###\nGET b\n", "requests.txt:3: expected METHOD /path"),
        ("POST /a\n\n< nowhere.bin\n", "expected a file for the body"),
        ("something else\n", "expected an access log (common or combined), a HAR file"),
        ("", "got 'an empty file'"),
        ("{broken", "got JSON that is broken"),
        ('{"a": 1}', "got a document with a"),
    ],
)
def test_what_is_no_source_says_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CompareError) as raised:
        read(tmp_path, "requests.txt", text)
    assert said in raised.value.message


# --- HAR files -----------------------------------------------------------------------------------


def har(*requests: dict[str, object]) -> str:
    return json.dumps({"log": {"entries": [{"request": each} for each in requests]}})


def test_a_har_file_is_read_for_the_host_of_its_page(tmp_path: Path) -> None:
    form = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a", "value": "ü"}],
    }
    text = har(
        {
            "method": "GET",
            "url": "https://shop.example/a?b=c#d",
            "headers": [
                {"name": ":authority", "value": "shop.example"},
                {"name": "Host", "value": "shop.example"},
                {"name": "Accept", "value": "text/html"},
            ],
        },
        {"method": "POST", "url": "https://shop.example/form", "postData": form},
        {"method": "PUT", "url": "https://shop.example/x", "postData": {"text": "{}"}},
        {"method": "GET", "url": "https://cdn.example/a.js"},
        {"method": "GET", "url": "wss://shop.example/feed"},
        {"method": "GET"},
    )
    (tmp_path / "session.har").write_text(text)
    source = read_source(tmp_path / "session.har")
    requests = list(source.requests)
    assert asked(requests) == ["GET /a?b=c", "POST /form", "PUT /x"]
    assert requests[0].headers == (("Accept", "text/html"),)
    assert [each.body for each in requests] == [None, b"a=%C3%BC", b"{}"]
    assert source.host == "shop.example"
    assert source.skipped == {"requests to other hosts": 2, "websockets": 1}


# --- OpenAPI -------------------------------------------------------------------------------------

OPENAPI = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://shop.example/api"}],
    "paths": {
        "/things/{id}": {
            "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}],
            "get": {
                "parameters": [
                    {"name": "page", "in": "query", "required": True, "example": 2},
                    {"name": "size", "in": "query", "schema": {"type": "integer"}},
                    {"name": "X-Shop", "in": "header", "required": True, "schema": {"enum": ["a"]}},
                ]
            },
            "put": {"requestBody": {"$ref": "#/components/requestBodies/Thing"}},
        },
        "/form": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {"example": {"a": True, "b": [1, 2]}}
                    }
                }
            }
        },
    },
    "components": {
        "requestBodies": {
            "Thing": {
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
            }
        },
        "schemas": {
            "Thing": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "id": {"type": "integer", "readOnly": True},
                    "when": {"type": "string", "format": "date"},
                    "count": {"type": ["null", "integer"], "minimum": 3},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                },
            }
        },
    },
}


def test_an_openapi_document_gives_a_request_for_each_operation(tmp_path: Path) -> None:
    requests, _ = read(tmp_path, "openapi.json", json.dumps(OPENAPI))
    assert asked(requests) == ["GET /api/things/1?page=2", "PUT /api/things/1", "POST /api/form"]
    get, put, form = requests
    assert get.headers == (("X-Shop", "a"),)
    thing = json.loads(put.body or b"")
    assert {name: thing[name] for name in ("name", "when", "count")} == {
        "name": "text",
        "when": "2024-02-29",
        "count": 3,
    }
    assert "id" not in thing
    assert thing["parts"][0]["name"] == "text"  # and so on, but not for ever
    assert form.body == b"a=true&b=1%2C2"


def test_version_2_has_its_parameters_elsewhere(tmp_path: Path) -> None:
    parameters = [
        {"name": "body", "in": "body", "schema": {"type": "object", "properties": {"a": {}}}},
        {"name": "id", "in": "path", "type": "string"},
    ]
    document = {
        "swagger": "2.0",
        "basePath": "/v1",
        "paths": {"/x/{id}": {"post": {"parameters": parameters}}},
    }
    (request,), _ = read(tmp_path, "swagger.json", json.dumps(document))
    assert asked([request]) == ["POST /v1/x/text"]
    assert request.body == b'{"a": "text"}'


def test_yaml_is_read_where_there_is_a_reader(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    text = "openapi: 3.0.0\npaths:\n  /a:\n    get: {}\n    delete: {}\n"
    requests, _ = read(tmp_path, "openapi.yaml", text)
    assert asked(requests) == ["GET /a", "DELETE /a"]


# --- what is carried -----------------------------------------------------------------------------


def html(text: str) -> Answer:
    return Answer(200, [("content-type", "text/html")], text.encode())


FORM = "application/x-www-form-urlencoded"
PAGE = """
<meta name="csrf-token" content="of-the-page">
<form action="/buy"><input type=hidden name=csrf_token value="to+buy&amp;"></form>
<form action="/sell"><input type=hidden name=csrf_token value=to-sell>
<input type=hidden name=id value=5></form>
"""


@pytest.fixture
def conversation() -> Conversation:
    made = Conversation(Tokens())
    made.heed(Recorded("GET", "/form"), html(PAGE))
    return made


def post(path: str, body: str, kind: str = FORM, *headers: tuple[str, str]) -> Recorded:
    return Recorded("POST", path, (("Content-Type", kind), *headers), body.encode())


def test_a_form_gets_the_token_of_its_own_page(conversation: Conversation) -> None:
    sent = conversation.prepare(post("/buy", "csrf_token=old&id=7&a=%C3%BC&a"), "h", ())
    assert sent.body == b"csrf_token=to%2Bbuy%26&id=7&a=%C3%BC&a"
    sent = conversation.prepare(post("/sell?now", "id=7&csrf_token="), "h", ())
    assert sent.body == b"id=7&csrf_token=to-sell"
    other = conversation.prepare(post("/other", "csrf_token=old"), "h", ())
    assert parse_qs((other.body or b"").decode())["csrf_token"] == ["to-sell"]


def test_tokens_in_parts_in_json_in_headers_and_in_queries(conversation: Conversation) -> None:
    part = '--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{}\r\n--x--\r\n'
    sent = conversation.prepare(post("/sell", part.format("old"), "multipart/form-data"), "h", ())
    assert sent.body == part.format("to-sell").encode()
    in_json = post("/sell", '{"csrf_token": "old", "a": "b"}', "application/json")
    assert conversation.prepare(in_json, "h", ()).body == b'{"csrf_token": "to-sell", "a": "b"}'
    in_header = post("/x", "", FORM, ("X-CSRFToken", "old"))
    assert ("X-CSRFToken", "of-the-page") in conversation.prepare(in_header, "h", ()).headers
    sent = conversation.prepare(Recorded("GET", "/sell?csrf_token=old&b"), "h", ())
    assert sent.path == "/sell?csrf_token=to-sell&b"


def cookie_of(conversation: Conversation, path: str, recorded: str = "") -> str:
    headers = (("Cookie", recorded),) if recorded else ()
    sent = conversation.prepare(Recorded("GET", path, headers), "h", ())
    return dict(sent.headers).get("Cookie", "")


def setting(*cookies: str) -> Answer:
    return Answer(200, [("set-cookie", each) for each in cookies], b"")


def test_cookies_of_the_side_take_the_place_of_recorded_ones(conversation: Conversation) -> None:
    recorded = "session=theirs; theme=dark"
    assert cookie_of(conversation, "/", recorded) == recorded
    conversation.heed(
        Recorded("GET", "/"), setting("session=ours; Secure", 'quoted="a b"; Path=/deep')
    )
    assert cookie_of(conversation, "/", recorded) == "session=ours; theme=dark"
    assert cookie_of(conversation, "/deep/x") == 'quoted="a b"; session=ours'
    assert cookie_of(conversation, "/deeper") == "session=ours"
    gone = setting(
        "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "quoted=; Max-Age=0; Path=/deep"
    )
    conversation.heed(Recorded("GET", "/"), gone)
    assert cookie_of(conversation, "/deep", recorded) == "theme=dark"


def test_a_token_that_a_cookie_repeats_is_the_sides_own(conversation: Conversation) -> None:
    conversation.heed(Recorded("GET", "/"), setting("XSRF-TOKEN=ours"))
    headers = (("Cookie", "XSRF-TOKEN=theirs"), ("X-XSRF-TOKEN", "theirs"))
    sent = conversation.prepare(Recorded("POST", "/", headers), "h", ())
    assert ("X-XSRF-TOKEN", "ours") in sent.headers


def test_tags_and_bearers_are_the_sides_own(conversation: Conversation) -> None:
    logged_in = Answer(
        200,
        [("content-type", "application/json"), ("etag", '"ours"')],
        b'{"access_token": "of-this-side-alone"}',
    )
    recorded = Recorded(
        "GET", "/x", (("If-None-Match", '"theirs"'), ("Authorization", "Bearer of-a-recording"))
    )
    conversation.heed(recorded, logged_in)
    sent = dict(conversation.prepare(recorded, "h", ()).headers)
    assert sent["If-None-Match"] == '"ours"'
    assert sent["Authorization"] == "Bearer of-this-side-alone"
    sent = dict(conversation.prepare(recorded, "h", (("X-Key", "{token}"),)).headers)
    assert sent["X-Key"] == "of-this-side-alone"


def test_what_is_added_takes_the_place_of_what_was_recorded(conversation: Conversation) -> None:
    recorded = Recorded(
        "GET", "/", (("Authorization", "Basic old"), ("Accept-Encoding", "br, gzip"))
    )
    sent = conversation.prepare(recorded, "shop.example", (("Authorization", "Basic new"),))
    assert sent.headers == (
        ("Host", "shop.example"),
        ("Accept-Encoding", "gzip"),
        ("Authorization", "Basic new"),
    )


# --- files that nobody meant to give -------------------------------------------------------------


def har_of(*entries: object) -> bytes:
    return json.dumps({"log": {"entries": entries}}).encode()


def to(url: str, method: str = "GET", **values: object) -> dict[str, object]:
    return {"request": {"url": url, "method": method, **values}}


DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BROKEN = {
    "deep.json": (DEEP, "JSON that is broken"),
    "numbers.json": (b"[1, 2]", "expected an access log"),
    "cut.json": (b'{"log": {"entries": [', "JSON that is broken"),
    "cut.gz": (gzip.compress(b'::1 - - [x] "GET / HTTP/1.1" 200 5\n' * 1000)[:60], "can be read"),
    "wrong.gz": (b"\x1f\x8b\x08\x00garbage", "can be read"),
    "list.txt": (b"GET http://[not-an-address/\n", "expected METHOD /path"),
    "folder.txt": (b"POST /x\n\n< .\n", "expected a file for the body"),
    "wide.txt": ("GET /x\n".encode("utf-16"), "expected an access log"),
    "bytes.log": (bytes(range(256)) * 10, "expected an access log"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    content, said = BROKEN[name]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(CompareError, match=re.escape(said)):
        list(read_source(file).requests)


ODD = {
    "nothing.har": (
        har_of(None, 1, "x", {}, {"request": None}, to("http://[x"), to("/y")),
        ["GET /y"],
    ),
    "first.har": (har_of(to("http://[not-an-address"), to("http://a/x")), ["GET /x"]),
    "method.har": (har_of(to("http://a/x", "GET\r\nX: y"), to("http://a/y")), ["GET /y"]),
    "half.har": (har_of(to("http://a/\ud800"), to("http://a/y")), ["GET /?", "GET /y"]),
    "paths.json": (b'{"openapi": "3", "paths": {"x": {"get": {}}, "/y": null}}', ["GET /x"]),
    "server.json": (
        b'{"openapi": "3", "servers": [{"url": "http://[x"}], "paths": {"/x": {"get": {}}}}',
        ["GET /x"],
    ),
    "none.json": (b'{"openapi": "3", "paths": null}', []),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_in_a_file_is_passed_over(tmp_path: Path, name: str) -> None:
    content, expected = ODD[name]
    file = tmp_path / name
    file.write_bytes(content)
    found = [f"{each.method} {each.path}" for each in read_source(file).requests]
    assert found == expected


def test_headers_and_bodies_that_cannot_be_sent_are_left_out(tmp_path: Path) -> None:
    headers = [
        {"name": "X-Two\r\nX-Lines", "value": "x"},
        {"name": "X-Value", "value": "a\r\nb"},
        {"name": "X-Euro", "value": "€"},
        {"name": None, "value": 5},
    ]
    broken = {"text": "a", "encoding": "base64", "params": [{"name": "a"}]}
    file = tmp_path / "sent.har"
    file.write_bytes(har_of(to("http://a/x", "POST", headers=headers, postData=broken)))
    source = read_source(file)
    (request,) = source.requests
    assert request.headers == (("X-Euro", "\xe2\x82\xac"),)
    assert request.body is None
    assert source.skipped == {"bodies that the file does not have": 1}


@pytest.mark.parametrize(
    "line", ["a " * 50_000, "a - - " + "[x" * 30_000, 'a - - [x] "' + "\\" * 50_001, "x" * 99_999]
)
def test_a_long_line_takes_no_time(tmp_path: Path, line: str) -> None:
    """Each took half a minute; the limit is that of a test."""
    file = tmp_path / "access.log"
    file.write_text(f'{line}\n::1 - - [x] "GET / HTTP/1.1" 200 5\n', "utf-8")
    begun = time.process_time()
    with suppress(CompareError):
        list(read_source(file).requests)
    assert time.process_time() - begun < 5
