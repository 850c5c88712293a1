"""Short ways beside the library's own: what either makes of the same random, often hostile, input.

A few hundred inputs each; `--hypothesis-profile=long` tries many more.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface as FlasksInterface
from hypothesis import given, strategies as st
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.sansio import multipart
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as WSGIRequest, Response as WSGIResponse

from _headers import ASKED, LOOKS, RAW, result_of
from quart import Quart, Request, Response
from quart._formats.cookies import cookie_of
from quart._formats.headers import headers_of_request
from quart._formats.multipart import Decoder
from quart.formparser import urlencoded
from quart.sessions import SecureCookieSessionInterface
from quart.wrappers.base import BaseRequestWebsocket

from .driver import run, scope_for


def connection_with(headers: list[tuple[bytes, bytes]]) -> BaseRequestWebsocket:
    scope = scope_for("http", headers=headers)
    raw = headers_of_request(scope["headers"])
    return BaseRequestWebsocket("GET", "http", "/", b"", raw, "", "1.1", scope)  # type: ignore[arg-type]  # a dict


def pieces_of(*pieces: str) -> st.SearchStrategy[str]:
    """Text made of *pieces*, which may confuse who takes it apart, and of any characters."""
    anything = st.text(st.characters(max_codepoint=255), max_size=3)
    return st.lists(st.sampled_from(pieces) | anything, max_size=9).map("".join)


NAME = "session"
COOKIES = pieces_of(
    *(NAME, NAME[:-1], NAME[1:], "x", "=", "; ", ";", " ", "\t", '"', "\\", f"{NAME}=", "x=y; "),
    f"aaaaaa={NAME}; x",
    "aaaaaa=b; x",
)


@given(st.lists(COOKIES, min_size=1, max_size=2), st.sampled_from([NAME, "s", "__Host-s"]))
def test_the_cookie_that_werkzeug_finds_is_found(cookies: list[str], name: str) -> None:
    headers = [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]
    assert cookie_of(connection_with(headers), name) == connection_with(headers).cookies.get(name)


@given(RAW, st.lists(st.tuples(st.sampled_from(list(LOOKS)), st.sampled_from(ASKED)), max_size=6))
def test_headers_look_like_werkzeugs(
    raw: list[tuple[bytes, bytes]], looks: list[tuple[str, str]]
) -> None:
    ours = headers_of_request(raw)
    theirs = Headers()
    # Its constructor looks for line breaks, which no server lets through.
    theirs._list = [
        (name.title().decode("latin-1"), value.decode("latin-1")) for name, value in raw
    ]
    for look, name in looks:
        found, expected = (result_of(LOOKS[look], it, name) for it in (ours, theirs))
        assert found == expected, (look, name)
    assert ours == theirs


QUERIES = st.lists(
    st.sampled_from(["a", "=", "&", "+", "%", "%C3", "%a4", "%FF", "%2", ";", "%26", "\xe4", "%00"])
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=2),
    max_size=10,
).map("".join)


@given(QUERIES)
def test_an_urlencoded_form_is_what_the_standard_library_finds(text: str) -> None:
    theirs = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
    assert urlencoded(text.encode()) == theirs


@given(QUERIES | st.just("a=1&a=2"), st.binary(max_size=2))
def test_a_query_is_what_werkzeug_finds(text: str, end: bytes) -> None:
    query, scope = text.encode() + end, scope_for("http")
    arguments: Any = ("GET", "http", "/", query, Headers(), "", "1.1", scope)
    ours: Any = Request(*arguments, send_push_promise=None)  # type: ignore[arg-type]  # unused
    theirs = BaseRequestWebsocket(*arguments)
    found, expected = (
        result_of(lambda request: (type(request.args), list(request.args.items(multi=True))), one)
        for one in (ours, theirs)
    )
    assert found == expected


INTERFACES: list[Any] = [SecureCookieSessionInterface, FlasksInterface]
KEYS: Any = SimpleNamespace(secret_key="new", config={"SECRET_KEY_FALLBACKS": ["old"]})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
TAGS = st.sampled_from([" t", " d", " b", " di", " u", "t", "\u0020t"])
SESSIONS = st.dictionaries(st.text(max_size=3) | TAGS, VALUES | st.tuples(VALUES), max_size=4)


@given(SESSIONS)
def test_a_session_is_signed_as_flask_signs_it(session: dict[str, Any]) -> None:
    ours, theirs = (cls().get_signing_serializer(KEYS) for cls in INTERFACES)
    for one, other in ((ours, theirs), (theirs, ours)):
        text = one.dumps(session)
        # Not by `==`, to which NaN is not equal.
        assert repr(other.loads(text, max_age=60)) == repr(one.loads(text, max_age=60))


@given(SESSIONS, st.lists(st.tuples(st.integers(0, 200), st.sampled_from(".-_Aa1= \xe4\0"))))
def test_a_forged_session_is_believed_by_both_or_by_none(
    session: dict[str, Any], changes: list[tuple[int, str]]
) -> None:
    ours, theirs = (cls().get_signing_serializer(KEYS) for cls in INTERFACES)
    text = theirs.dumps(session)
    for place, character in changes:
        at = place % len(text)
        text = text[:at] + character + text[at + 1 :]

    def read(serializer: Any) -> str:
        return repr(serializer.loads(text, max_age=60))

    assert result_of(read, ours) == result_of(read, theirs)


COOKIE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "SESSION_COOKIE_NAME": st.sampled_from(["s", "__Host-s", "a b", "\xe4", "a;b"]),
        "SESSION_COOKIE_DOMAIN": st.sampled_from(
            [None, "example.com", ".x", "\xe4.example", "a;b"]
        ),
        "SESSION_COOKIE_PATH": st.sampled_from([None, "/a", "/\xe4;", ""]),
        "SESSION_COOKIE_SAMESITE": st.sampled_from([None, "Lax", "strict", "None", "odd"]),
        "SESSION_COOKIE_HTTPONLY": st.booleans(),
        "SESSION_COOKIE_SECURE": st.booleans(),
        "SESSION_COOKIE_PARTITIONED": st.booleans(),
        "SESSION_REFRESH_EACH_REQUEST": st.booleans(),
    },
)
STATES = st.tuples(st.booleans(), st.booleans(), st.booleans())
VARIES = st.sampled_from([{}, {"Vary": "Accept"}, {"vary": "cookie"}, {"Vary": "*"}])


@given(SESSIONS, COOKIE_OPTIONS, STATES, VARIES)
def test_a_session_is_set_as_flask_sets_it(
    values: dict[str, Any],
    options: dict[str, Any],
    state: tuple[bool, bool, bool],
    headers: dict[str, str],
) -> None:
    app: Any = Quart(__name__)
    app.secret_key = "secret"
    app.config.update(options)

    def saved(save: Any) -> list[tuple[str, str]]:
        session, response = SecureCookieSession(values), WSGIResponse(headers=headers)
        session.modified, session.accessed, permanent = state
        if permanent:
            session["_permanent"] = True
        save(app, session, response)
        return sorted(response.headers)

    # The second, which the cookie tells, may change between the two.
    for _ in range(2):
        ours = result_of(saved, SecureCookieSessionInterface()._save)
        theirs = result_of(saved, FlasksInterface().save_session)
        if ours == theirs:
            return
    assert ours == theirs


def providers() -> list[Any]:
    app = Quart(__name__)
    return [app.json, DefaultJSONProvider(app)]


def alike(call: Any) -> None:
    """Expect the same of both providers; not by `==`, to which NaN is not equal."""
    ours, theirs = (result_of(call, provider) for provider in providers())
    assert repr(ours) == repr(theirs)


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "sort_keys": st.sampled_from([False, 0, 1]),
        "ensure_ascii": st.booleans(),
        "default": st.sampled_from([None, str, lambda value: value]),
    },
)
WRITTEN = VALUES | st.tuples(VALUES) | st.sets(st.integers()) | st.dictionaries(st.none(), VALUES)
SEPARATORS = st.sampled_from([{}, {"separators": (",", ":")}, {"separators": [",", ":"]}])


@given(WRITTEN, SETTINGS, SEPARATORS)
def test_json_is_written_as_flask_writes_it(
    value: Any, settings: dict[str, Any], separators: dict[str, Any]
) -> None:
    def written(provider: Any) -> Any:
        vars(provider).update(settings)
        return provider.dumps(value, **separators)

    alike(written)


JSON_TEXTS = VALUES.map(json.dumps) | pieces_of(
    *("{", "}", "[", "]", '"', "\\ud800", "\ufeff", "\0", " ", "\n", "1", ":", ",", "NaN")
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "latin-1"])


@given(JSON_TEXTS, st.sampled_from(["", " ", "\n", "\v", "x", "{}"]), ENCODINGS, st.booleans())
def test_json_is_read_as_flask_reads_it(text: str, end: str, encoding: str, is_text: bool) -> None:
    data: Any = (text + end).encode(encoding, "replace")
    alike(lambda provider: provider.loads(text + end if is_text else data))


MIMETYPES = st.sampled_from([None, "", "text/html", "text/x-a", "application/json", "a"])
CONTENTS = st.text(max_size=4) | st.binary(max_size=4)


@given(CONTENTS, MIMETYPES, st.sampled_from([None, 201, "299 own", "404", "odd"]))
def test_a_response_is_what_werkzeug_makes(
    body: str | bytes, mimetype: str | None, status: Any
) -> None:
    class Theirs(WSGIResponse):
        default_mimetype = "text/html"

    ours, theirs = (cls(body, status, mimetype=mimetype) for cls in (Response, Theirs))
    assert list(ours.headers) == list(theirs.headers)
    assert (ours.status, ours.status_code) == (theirs.status, theirs.status_code)
    assert ours.mimetype == theirs.mimetype


RANGES = st.lists(
    st.sampled_from(["bytes", "=", "0", "-", "5", ",", " ", "9" * 20, "-3", "x", "bytes=0-"]),
    max_size=6,
).map("".join)


@given(RANGES, st.integers(0, 12), st.sampled_from([200, 404]))
def test_a_range_is_what_werkzeug_answers_with(text: str, length: int, status: int) -> None:
    body = bytes(range(length))
    ours, theirs = Response(body, status), WSGIResponse(body, status)
    environ = EnvironBuilder(headers={"Range": text}).get_environ()
    request = WSGIRequest(environ)

    async def answered() -> tuple[Any, ...]:
        try:
            await ours.make_conditional(request, accept_ranges=True, complete_length=length)
        except HTTPException as error:
            return type(error), error.code
        return ours.status_code, ours.headers.get("Content-Range"), await ours.get_data()

    def expected() -> tuple[Any, ...]:
        try:
            theirs.make_conditional(environ, accept_ranges=True, complete_length=length)
        except HTTPException as error:
            return type(error), error.code
        return theirs.status_code, theirs.headers.get("Content-Range"), theirs.get_data()

    assert run(answered()) == expected()


BOUNDARIES = st.sampled_from(
    [b"b", b"-", b"--", b"--b", b"a.*+b", b"-a-", b"b ", b"----", b"x" * 200]
)
Part = list[str | bytes | None]


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A boundary, and a form with it that is often malformed."""
    boundary = draw(BOUNDARIES)
    line = b"--" + boundary
    odd = [line, line[:-1], line + b"--", b"--", b"-", b"\r", b"\n", b"\r\n", b"x", b" ", b"\t\v\f"]
    odd += [b"\r\n" + line + b"x", b"\n" + line + b"-", b"\r" + line + b" ", b"y" * 200, b"\xff"]
    noise = st.lists(st.sampled_from(odd), max_size=6).map(b"".join)
    ends = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"])
    heads = [b"Content-Disposition: form-data; name=n%b", b"content-disposition:x;\r\n name=n%b"]
    heads += [b"Content-Disposition: form-data; filename=f; name=n%b", b"X: a%b"]
    data = draw(st.just(b"") | noise)
    for _ in range(draw(st.integers(0, 4))):
        end, blanks = draw(ends), draw(st.sampled_from([b"", b"", b" ", b"\t \v", b" " * 99]))
        head = draw(st.sampled_from(heads)) % draw(st.just(b"") | noise)
        data += line + blanks + draw(ends) + head + end * 2 + draw(noise) + draw(ends)
    closing = draw(st.sampled_from([line + b"--", line + b"--\r\n", b""]))
    return boundary, data + closing + draw(st.just(b"") | noise)


def parts_by_werkzeug(boundary: bytes, data: bytes) -> list[Part] | None:
    """Return what Werkzeug's decoder finds in all of *data*; None if it refuses it."""
    decoder = multipart.MultipartDecoder(boundary)
    decoder.receive_data(data)
    decoder.receive_data(None)
    parts: list[Part] = []
    try:
        while not isinstance(event := decoder.next_event(), multipart.Epilogue):
            if isinstance(event, multipart.Data):
                parts[-1][2] += event.data  # type: ignore[operator]  # which is bytes
            elif isinstance(event, (multipart.Field, multipart.File)):
                parts.append([event.name, getattr(event, "filename", None), b""])
    except ValueError:
        return None
    return parts


def parts_by_ours(boundary: bytes, chunks: list[bytes]) -> list[Part] | None:
    decoder, parts = Decoder(boundary), []
    try:
        for chunk in chunks:
            for event in decoder.feed(chunk):
                if isinstance(event, memoryview):
                    parts[-1][2] += event
                elif event is not None:
                    parts.append([event.name, getattr(event, "filename", None), b""])
        decoder.end()
    except ValueError:
        return None
    return parts


@given(forms(), st.lists(st.integers(1, 40), max_size=30), st.sampled_from([1, 2, 3, 10_000]))
def test_a_multipart_form_is_what_werkzeug_finds_in_the_whole_of_it(
    form: tuple[bytes, bytes], sizes: list[int], rest: int
) -> None:
    boundary, data = form
    chunks, at = [], 0
    while at < len(data):
        size = sizes.pop() if sizes else rest
        chunks.append(data[at : at + size])
        at += size
    assert parts_by_ours(boundary, chunks) == parts_by_werkzeug(boundary, data)


SEGMENTS = ["a", "b", "", "a-<x>", "<x>", "<int:n>", "<path:p>", "b<path:p>c", "a.b"]


def rule_of(segments: list[str]) -> str:
    return "/" + "/".join(part.replace(">", f"{n}>") for n, part in enumerate(segments))


RULES = st.fixed_dictionaries(
    {
        "string": st.lists(st.sampled_from(SEGMENTS), max_size=3).map(rule_of),
        "endpoint": st.sampled_from(["e", "f"]),
    },
    optional={
        "methods": st.sampled_from([["GET"], ["POST"], ["GET", "PUT"], None]),
        "strict_slashes": st.booleans(),
        "merge_slashes": st.booleans(),
        "redirect_to": st.just("/moved"),
        "defaults": st.sampled_from([{"n0": 1}, {"x1": "a"}]),
        "alias": st.booleans(),
        "build_only": st.booleans(),
        "websocket": st.booleans(),
    },
)
PATHS = st.lists(st.sampled_from(["a", "b", "", "a-1", "7", "b1c", "a.b", "\xe4", "|"]), max_size=4)


@given(st.lists(RULES, max_size=5), PATHS, st.sampled_from(["GET", "POST"]), st.booleans())
def test_the_rule_that_werkzeug_matches_is_matched(
    rules: list[dict[str, Any]], segments: list[str], method: str, is_websocket: bool
) -> None:
    method = "GET" if is_websocket else method
    path, app, theirs = "/" + "/".join(segments), Quart(__name__, static_folder=None), Map()
    for number, options in enumerate(rules):
        named = {**options, "endpoint": f"{options['endpoint']}{number % 2}"}
        if named.get("websocket") and named.get("methods"):
            named["methods"] = ["GET"]  # A websocket's rule may have no other.
        theirs.add(Rule(**named))
        app.url_map.add(app.url_rule_class(**named))
    scheme = "ws" if is_websocket else "http"
    bound = theirs.bind("localhost", url_scheme=scheme, path_info=path, default_method=method)
    assert asked_of(app, path, method, is_websocket) == outcome(bound.match)


def outcome(match: Any) -> tuple[Any, ...]:
    try:
        endpoint, values = match()
    except RequestRedirect as redirect:
        return redirect.code, redirect.new_url
    except HTTPException as error:
        return type(error), error.code, set(getattr(error, "valid_methods", None) or ())
    return endpoint, values


def asked_of(app: Quart, path: str, method: str, is_websocket: bool) -> tuple[Any, ...]:
    """Return what a context of *app* finds for such a connection, without a server."""
    scope = scope_for("websocket" if is_websocket else "http", path)
    if is_websocket:
        connection: Any = app.websocket_class(
            path, b"", "ws", headers_of_request(scope["headers"]), "", "1.1", [], *[None] * 3, scope
        )
    else:
        connection = app.request_class(
            method,
            "http",
            path,
            b"",
            headers_of_request(scope["headers"]),
            "",
            "1.1",
            scope,
            send_push_promise=None,
        )
    ctx = app._context_for(connection)
    ctx.match_request()
    if connection.routing_exception is not None:

        def match() -> Any:
            raise connection.routing_exception

        return outcome(match)
    return connection.url_rule.endpoint, connection.view_args
