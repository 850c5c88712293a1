"""``migrate compare``: how answers are got and compared, and that nothing secret is shown."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, UTC
from random import choice

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given, strategies as st
from itsdangerous import URLSafeSerializer
from werkzeug.http import http_date

from quart_flask_patch.migrate.compare.answers import Answer, ask, Patience
from quart_flask_patch.migrate.compare.differing import Compared, Comparison, Heard
from quart_flask_patch.migrate.compare.masks import MASK, Masks
from quart_flask_patch.migrate.compare.recorded import Recorded
from quart_flask_patch.migrate.compare.report import Exchange, Figures, Report
from quart_flask_patch.migrate.compare.rules import Rules, rules_of
from quart_flask_patch.migrate.compare.showing import lines, page

KEPT = 4096
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}


def answer(
    body: bytes | str = b"", status: int = 200, unended: bool = False, **headers: str
) -> Answer:
    content = body.encode() if isinstance(body, str) else body
    pairs = sorted((name.replace("_", "-"), value) for name, value in headers.items())
    digest = hashlib.sha256(content).hexdigest()
    return Answer(status, pairs, content[:KEPT], len(content), digest, unended)


def compare(one: Answer, other: Answer, *rules: str) -> Compared:
    comparison = Comparison(rules_of(rules, None), Masks(), KEPT)
    return comparison.compare(Heard(one, {}), Heard(other, {}))


def parts(compared: Compared) -> list[str]:
    return [each.part for each in compared.differences]


# --- what may differ -----------------------------------------------------------------------------


def soon(**values: float) -> datetime:
    return datetime.now(UTC) + timedelta(**values)


def signed_for_ever(value: str) -> str:
    return str(URLSafeSerializer(uuid.uuid4().hex).dumps(value))


def signed(value: str) -> str:
    app = Flask("signs")
    app.secret_key = "key of the test"
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return str(serializer.dumps({"csrf": value}))


MAY_DIFFER = [
    (lambda: str(uuid.uuid4()), "ids"),
    (lambda: uuid.uuid4().hex, "ids"),
    (lambda: f"<object at {hex(id(object()) + time.time_ns() % 10_000)}>", "ids"),
    (lambda: soon().isoformat(), "dates"),
    (lambda: soon(hours=2).strftime("%Y-%m-%d %H:%M:%S.%f"), "dates"),
    (lambda: http_date(soon(seconds=time.time_ns() % 50)), "dates"),
    (lambda: str(time.time()), "dates"),
    (lambda: signed(uuid.uuid4().hex), "tokens"),
    (lambda: f'<a href="/feed/{signed_for_ever("of ann")}.xml">', "tokens"),
    (lambda: f'<script nonce="{uuid.uuid4().hex[:12]}">', "nonces"),
    (lambda: f"csrf_token={uuid.uuid4().hex[:20]}", "tokens"),
    (lambda: "csrf_token=" + "".join(choice("abcdefABCDEF") for _ in range(40)), "tokens"),
]


@pytest.mark.parametrize(("make", "name"), MAY_DIFFER)
def test_what_is_random_or_of_now_is_named(make: object, name: str) -> None:
    assert callable(make)
    one, other = (answer(f"<p>{make()}</p>", **HTML) for _ in range(2))
    assert one.body != other.body
    compared = compare(one, other)
    assert parts(compared) == []
    assert compared.left_out == {name}
    assert parts(compare(one, other, f"without {name}", "without ids")) == ["body"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1990-01-01T00:00:00Z", "1990-01-02T00:00:00Z"),
        ("Mon, 01 Jan 1990 00:00:00 GMT", "Tue, 02 Jan 1990 00:00:00 GMT"),
        ("at 631152000", "at 631238400"),
        ("deadbeef", "cafebabe"),
        ("a token is missing", "a token was missing"),
        ("total: 1234567890", "total: 9876543210"),
    ],
)
def test_what_only_looks_so_is_compared(one: str, other: str) -> None:
    assert parts(compare(answer(one, **HTML), answer(other, **HTML))) == ["body"]


def test_an_id_that_is_missing_is_no_other_id() -> None:
    with_id = answer(f"order {uuid.uuid4()}", **HTML)
    assert parts(compare(with_id, answer("order ", **HTML))) == ["body"]


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("header X-Node", answer(x_node="a"), answer(x_node="b")),
        ("cookie seen", answer(set_cookie="seen=1"), answer(set_cookie="seen=2")),
        ("json at", answer('{"a":[{"at":1}]}', **JSON), answer('{"a":[{"at":2}]}', **JSON)),
        ("text build = b-[0-9]+", answer("b-1", **HTML), answer("b-20", **HTML)),
    ],
)
def test_a_rule_leaves_out_what_it_names(rule: str, one: Answer, other: Answer) -> None:
    assert len(compare(one, other).differences) == 1
    assert parts(compare(one, other, rule)) == []
    assert parts(compare(one, other, f"# {rule}")) != []


# --- headers and cookies -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (answer(date="a", server="b"), answer(server="c"), []),
        (answer(allow="GET, PUT"), answer(allow="PUT,GET"), []),
        (answer(vary="Cookie"), answer(vary="Cookie, Accept"), ["header vary"]),
        (answer(etag='"a"'), answer(etag='"b"'), []),
        (answer(etag='"a"'), answer(etag='W/"a"'), ["header etag"]),
        (answer(etag='"a"'), answer(), ["header etag"]),
        (answer(content_length="3"), answer(content_length="4"), ["header content-length"]),
        (answer("a", content_length="1", **HTML), answer("a", **HTML), ["header content-length"]),
        (answer(location="/a"), answer(location="/b"), ["header location"]),
        (answer(x_runtime="0.1"), answer(x_runtime="0.2"), []),
        (answer(set_cookie="a=1"), answer(set_cookie="a=2"), ["cookie a"]),
        (answer(set_cookie=f"a={'abC' * 9}"), answer(set_cookie=f"a={'dEf' * 9}"), []),
        (answer(set_cookie=f"a={'word' * 9}"), answer(set_cookie=f"a={'else' * 9}"), ["cookie a"]),
        (answer(set_cookie="a=1; Path=/"), answer(set_cookie="a=1"), ["cookie a, path"]),
        (answer(set_cookie="a=1; path=/"), answer(set_cookie="a=1; Path=/"), []),
        (answer(status=200), answer(status=500), ["status"]),
        (answer("a", status=200), answer("b", status=500), ["status", "body"]),
        (answer(status=0), answer(status=200), ["answer"]),
        (answer(status=0), answer(status=0), []),
    ],
)
def test_headers_and_cookies(one: Answer, other: Answer, found: list[str]) -> None:
    assert parts(compare(one, other)) == found


def test_a_session_is_compared_by_what_is_in_it() -> None:
    def session(**values: object) -> Answer:
        app = Flask("signs")
        app.secret_key = uuid.uuid4().hex  # each side may have drawn its own
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert serializer is not None
        return answer(set_cookie=f"session={serializer.dumps(values)}; HttpOnly; Path=/")

    long = "long " * 500  # so that it is compressed
    assert parts(compare(session(user=1, text=long), session(user=1, text=long))) == []
    drawn = (session(csrf=uuid.uuid4().hex) for _ in range(2))
    assert parts(compare(*drawn)) == []
    compared = compare(session(user=1, text=long), session(user=2, text=long))
    assert parts(compared) == ["cookie session: session.user"]
    assert compared.differences[0].other == MASK


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gzip", "deflate", "raw deflate"])
def test_a_compressed_body_is_compared_as_what_is_in_it(method: str) -> None:
    def compressed(text: str, level: int) -> Answer:
        raw = zlib.compressobj(level, wbits=-15)
        made = {
            "gzip": lambda: gzip.compress(text.encode(), level, mtime=level),
            "deflate": lambda: zlib.compress(text.encode(), level),
            "raw deflate": lambda: raw.compress(text.encode()) + raw.flush(),
        }[method]()
        return answer(made, content_encoding=method.split()[-1], **HTML)

    assert parts(compare(compressed("one two " * 99, 1), compressed("one two " * 99, 9))) == []
    assert parts(compare(compressed("one", 1), compressed("two", 9))) == ["body"]
    broken = answer(b"\x1f\x8b no", content_encoding=method.split()[-1], **HTML)
    assert parts(compare(compressed("one", 1), broken)) == ["body"]


def test_a_bomb_is_not_unpacked_as_a_whole() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)[:KEPT]
    one = Answer(200, [("content-encoding", "gzip")], bomb, 200_000, "a")
    other = Answer(200, [("content-encoding", "gzip")], bomb, 200_000, "b")
    assert parts(compare(one, other)) == ["body"]


@pytest.mark.parametrize(
    ("one", "other", "part"),
    [
        ('{"a": {"b": [1, 2]}}', '{"a": {"b": [1, 3]}}', "body: $.a.b[1]"),
        ('{"a": [1]}', '{"a": [1, 2]}', "body: $.a"),
        ('{"a": 1}', '{"a": 1.0}', "body: $.a"),
        ('{"a": 1}', '{"a": true}', "body: $.a"),
        ('{"a": null}', "{}", "body: $.a"),
        ('{"a":1}', '{"a": 1}', "body: the same values, written otherwise"),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "body: keys in another order"),
        ('{"a": 1', '{"a": 2', "body"),
        ("[" * 900 + "1" + "]" * 900, "[" * 900 + "2" + "]" * 900, "body"),
        ("[" * 9000, "]" * 9000, "body"),
    ],
)
def test_json_is_compared_by_value(one: str, other: str, part: str) -> None:
    (found,) = parts(compare(answer(one, **JSON), answer(other, **JSON)))
    assert found.startswith(part)


def test_the_order_of_keys_is_compared_where_values_may_differ() -> None:
    def at(text: str) -> Answer:
        return answer(text.replace("NOW", repr(time.time())), **JSON)

    one, same, other = map(at, ['{"a": NOW, "b": 2}', '{"a": NOW, "b": 2}', '{"b": 2, "a": NOW}'])
    assert parts(compare(one, same)) == []
    assert parts(compare(one, other)) == ["body: keys in another order"]


def test_a_large_body_is_compared_by_its_digest() -> None:
    large = b"x" * (KEPT * 3)
    assert parts(compare(answer(large), answer(large))) == []
    assert parts(compare(answer(large), answer(large[:-1] + b"y"))) == ["body"]
    ids = [f"{uuid.uuid4()} ".encode() + large for _ in range(2)]
    compared = compare(*(answer(each) for each in ids))
    assert (parts(compared), "ends of large bodies" in compared.left_out) == ([], True)


def test_what_does_not_end_is_compared_as_far_as_its_headers() -> None:
    one, other = answer("data: 1", unended=True), answer("data: 1 data: 2", unended=True)
    assert parts(compare(one, other)) == []
    assert parts(compare(one, answer("data: 1"))) == ["body"]


@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([HTML, JSON, {}]))
def test_bodies_are_equal_when_their_bytes_are(
    one: bytes, other: bytes, kind: dict[str, str]
) -> None:
    assert parts(compare(answer(one, **kind), answer(one, **kind))) == []
    if one != other and not compare(answer(one, **kind), answer(other, **kind)).left_out:
        assert parts(compare(answer(one, **kind), answer(other, **kind))) != []


# --- getting answers -----------------------------------------------------------------------------


@contextmanager
def server(*sends: bytes, hold: bool = False) -> Iterator[int]:
    """Answer one connection with these bytes, and hold it open or close it then."""
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            connection.recv(65536)
            for each in sends:
                connection.sendall(each)
            if hold:
                done.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        done.set()
        thread.join()


def asked(port: int, method: str = "GET", kept: int | None = KEPT, seconds: float = 5) -> Answer:
    return ask(port, method, "/", [("Host", "h")], None, Patience(seconds, kept))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.mark.parametrize(
    ("sent", "method", "body"),
    [
        (HEAD + b"Content-Length: 3\r\n\r\nabc", "GET", b"abc"),
        (HEAD + b"\r\nuntil the end", "GET", b"until the end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "GET", b"abc"),
        (HEAD + b"Content-Length: 3\r\n\r\n", "HEAD", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", b""),
    ],
)
def test_an_answer_is_read_to_its_end(sent: bytes, method: str, body: bytes) -> None:
    with server(sent) as port:
        found = asked(port, method)
    assert (found.body, found.size, found.unended) == (body, len(body), False)
    assert found.status in (200, 204)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nothing of HTTP\r\n\r\n",
        HEAD + b"Content-Length: 9\r\n\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
    ],
)
def test_an_answer_that_breaks_off_is_none(sent: bytes) -> None:
    with server(sent) as port:
        found = asked(port)
    assert found.status == 0
    assert found.body.startswith(b"no answer: ")


@pytest.mark.parametrize(("sent", "status"), [(b"", 0), (HEAD + b"\r\nthe first part", 200)])
def test_an_answer_that_hangs_is_given_up(sent: bytes, status: int) -> None:
    with server(sent, hold=True) as port:
        found = asked(port, seconds=0.3)
    assert (found.status, found.unended) == (status, True)


def test_of_a_large_body_the_beginning_is_kept() -> None:
    large = bytes(range(256)) * 4096
    with server(HEAD + b"\r\n" + large) as port:
        found = asked(port)
    assert (found.body, found.size) == (large[:KEPT], len(large))
    assert found.digest == hashlib.sha256(large).hexdigest()


# --- what is shown -------------------------------------------------------------------------------

SECRETS = [
    "hunter2-and-more",
    "c00kie-value",
    "bear3r-value",
    "t0ken-of-the-page",
    "key-0f-the-api",
]


def secretive() -> tuple[Recorded, Answer]:
    recorded = Recorded(
        "POST",
        f"/login?api_key={SECRETS[4]}&page=2",
        (
            ("Cookie", f"session={SECRETS[1]}"),
            ("Authorization", f"Bearer {SECRETS[2]}"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ),
        f"user=ann&password={SECRETS[0]}".encode(),
    )
    told = [f"sent {secret} as it was" for secret in SECRETS]
    return recorded, answer("\n".join(told), x_echo=", ".join(SECRETS), **HTML)


def test_no_secret_is_in_any_report() -> None:
    recorded, told = secretive()
    masks = Masks()
    masks.add_request(recorded)
    masks.add([SECRETS[3]])
    comparison = Comparison(Rules(), masks, KEPT)
    report = Report("app", "a list", "flask", ["layer"])
    for line in told.text.split("\n"):
        compared = comparison.compare(Heard(answer(line, x_echo=line), {}), Heard(answer("x"), {}))
        differences = tuple(("layer", each) for each in compared.differences)
        path = masks.over_path(recorded.path)
        report.exchanges.append(Exchange(1, "POST", path, "a:1", (200, 200), differences))
    written = ["\n".join(lines(report)), page(report), json.dumps(report.as_data())]
    for text in written:
        assert [secret for secret in SECRETS if secret in text] == []
        assert "page=2" in text
        assert MASK in text


@pytest.mark.parametrize(
    "text",
    [
        "password=SECRET0123",
        '{"api_key": "SECRET0123"}',
        "{&#34;secret&#34;: &#34;SECRET0123&#34;}",
        '<input name="csrf_token" type="hidden" value="SECRET0123">',
        "postgresql://user:SECRET0123@host/db",
        "Authorization: Bearer SECRET0123",
        "'SECRET_KEY': 'SECRET0123'",
        "x-api-key: SECRET0123",
        "/feed/WyJ0cmlwIl0.SECRET0123-9UIJCWOrs_abcdef.xml",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJTRUNSRVQwMTIzIn0.SECRET0123",
    ],
)
def test_what_is_named_as_a_secret_is_masked(text: str) -> None:
    assert "SECRET0123" not in Masks().over(text)


@pytest.mark.parametrize(
    "text", ["<p>Forgot your password?</p>", "author: Ann", "monkey=banana", "a token <token>"]
)
def test_words_are_no_secrets(text: str) -> None:
    assert Masks().over(text) == text


@pytest.mark.parametrize("at", range(0, 400, 37))
def test_no_part_of_a_secret_is_shown_where_a_text_is_cut(at: int) -> None:
    secret = "".join(f"{number:03}" for number in range(60))
    masks = Masks()
    masks.add([secret])
    line = f"{'x ' * 100}{'y' * (at % 100)}{secret}{'z ' * 100}"
    other = f"{line[:at]}!{line[at:]}"
    compared = Comparison(Rules(), masks, KEPT).compare(
        Heard(answer(line, **HTML), {}), Heard(answer(other, **HTML), {})
    )
    for shown in (compared.differences[0].reference,):
        assert not [n for n in range(50) if secret[n * 3 : n * 3 + 12] in shown]


def test_the_page_has_no_markup_of_an_answer() -> None:
    evil = "<script>alert(1)</script>"
    compared = compare(answer(evil, **HTML), answer("", **HTML))
    report = Report("app", evil, "flask", ["layer"], [])
    found = tuple(("layer", each) for each in compared.differences)
    report.exchanges.append(Exchange(1, "GET", f"/{evil}", "", (200, 200), found))
    assert "<script>" not in page(report)
    assert "alert(1)" in page(report)


def test_figures_say_what_could_not_be_measured() -> None:
    report = Report("app", "a list", "flask", ["layer"])
    report.figures = [
        Figures("flask", "gunicorn", "3.1.3", 100, 0.5, 50 << 20, 60 << 20),
        Figures("flask", "gunicorn", "3.1.3", 1, 0.01, 50 << 20),
        Figures("layer", "hypercorn", "3.1.3", 100),
    ]
    shown = [line.partition(": ")[2] for line in lines(report)[:3]]
    assert "200 requests per CPU second (0.50 s), 50 MiB of memory, 60 MiB at most" in shown[0]
    assert "too little CPU to tell" in shown[1]
    assert "not measured here; install psutil" in shown[2]
