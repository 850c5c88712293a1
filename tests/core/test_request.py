"""The request: what it says, its body in every form, and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import flask
import pytest
from hypercorn.typing import HTTPScope
from werkzeug.datastructures import (
    FileStorage as WerkzeugFileStorage,
    Headers,
    ImmutableMultiDict,
)
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout
from werkzeug.formparser import FormDataParser as WSGIFormDataParser
from werkzeug.routing import Map
from werkzeug.sansio import request as sansio_request
from werkzeug.test import EnvironBuilder

from quart import Quart
from quart._formats.caching import kept
from quart.datastructures import FileStorage
from quart.formparser import FormDataParser
from quart.routing import QuartRule
from quart.wrappers import Body, ClientDisconnectedError, Request

FORM = "application/x-www-form-urlencoded"


def make_scope(**changes: Any) -> HTTPScope:
    scope: Any = {
        "type": "http",
        "client": ("192.0.2.1", 5000),
        "server": ("server.test", 8000),
        **changes,
    }
    return scope  # type: ignore[no-any-return]


async def no_push(path: str, headers: Headers) -> None:
    raise AssertionError("nothing is pushed here")


def make_request(
    body: bytes | list[bytes] | None = b"",
    content_type: str | None = None,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    announce: bool = False,
    request_class: type[Request] = Request,
    query_string: bytes = b"",
    path: str = "/path",
    root_path: str = "",
    **options: Any,
) -> Request:
    """Make a request whose *body* a server brings when it is asked to; None for never."""
    all_headers = Headers({"Host": "example.test", **(headers or {})})
    if content_type is not None:
        all_headers["Content-Type"] = content_type
    chunks = [body] if isinstance(body, bytes) else body
    if announce and chunks is not None:
        all_headers["Content-Length"] = str(sum(map(len, chunks)))
    options.setdefault("send_push_promise", no_push)
    request = request_class(
        method,
        "http",
        path,
        query_string,
        all_headers,
        root_path,
        "1.1",
        make_scope(),
        **options,
    )
    request.receive_from(_receiver(chunks))
    return request


def _receiver(chunks: list[bytes] | None) -> Callable[[], Awaitable[Any]]:
    left = list(chunks or ())

    async def receive() -> dict[str, Any]:
        if chunks is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        chunk = left.pop(0) if left else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    return receive


def multipart(**parts: Any) -> tuple[bytes, str]:
    builder = EnvironBuilder(method="POST", data=parts, content_type="multipart/form-data")
    environ = builder.get_environ()
    return environ["wsgi.input"].read(), environ["CONTENT_TYPE"]


# -- What it says


def test_the_handshake() -> None:
    request = make_request(
        method="get", path="/path", query_string=b"a=1&a=2", root_path="/root/", content_type=None
    )
    assert request.method == "GET"
    assert request.path == "/path"
    assert request.script_root == request.root_path == "/root"
    assert request.url == "http://example.test/root/path?a=1&a=2"
    assert request.url_root == request.root_url == "http://example.test/root/"
    assert request.args.getlist("a") == ["1", "2"]
    assert request.http_version == "1.1"
    assert request.scope["client"] == ("192.0.2.1", 5000)
    assert request.server == ("server.test", 8000)


def test_the_query_is_parsed_once() -> None:
    request = make_request(query_string=b"a=1")
    args = request.args
    assert args == {"a": ["1"]}
    assert request.args is args
    # As a subclass asks that overrides it.
    assert Request.args.__get__(request) is args  # type: ignore[attr-defined]  # a descriptor
    request.args = ImmutableMultiDict({"b": "2"})
    assert request.args["b"] == "2"
    del request.args
    assert request.args == args
    with pytest.raises(UnicodeDecodeError):
        make_request(query_string=b"\xff").args  # noqa: B018  # a property


def test_what_is_put_in_place_of_werkzeugs_query_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(query_string=b"a=1")
    with monkeypatch.context() as patch:
        patch.setattr(sansio_request, "parse_qsl", lambda text, **options: [("own", text)])
        assert request.args == {"own": ["a=1"]}
    monkeypatch.setattr(sansio_request.Request, "args", property(lambda self: "another"))
    assert make_request(query_string=b"a=1").args == "another"


@pytest.mark.parametrize(
    ("client", "expected"), [(("192.0.2.1", 5), "192.0.2.1"), (None, "<local>")]
)
def test_the_clients_address_is_the_servers_word(client: Any, expected: str | None) -> None:
    request = Request(
        "GET",
        "http",
        "/",
        b"",
        Headers({"Remote-Addr": "203.0.113.9"}),
        "",
        "1.1",
        make_scope(client=client),
        send_push_promise=no_push,
    )
    assert request.remote_addr == expected


@pytest.mark.parametrize(
    ("endpoint", "blueprint", "blueprints"),
    [("view", None, []), ("a.view", "a", ["a"]), ("a.b.view", "a.b", ["a.b", "a"])],
)
def test_the_endpoint_names_its_blueprints(
    endpoint: str, blueprint: str | None, blueprints: list[str]
) -> None:
    request = make_request()
    assert (request.endpoint, request.blueprint, request.blueprints) == (None, None, [])
    request.url_rule = QuartRule("/", endpoint=endpoint)
    Map([request.url_rule])
    assert (request.endpoint, request.blueprint) == (endpoint, blueprint)
    assert request.blueprints == blueprints


def test_push_promises_carry_the_headers_that_matter() -> None:
    promises = []

    async def push(path: str, headers: Headers) -> None:
        promises.append((path, dict(headers)))

    request = make_request(
        headers={"Accept": "*/*", "User-Agent": "test", "Cookie": "secret"}, send_push_promise=push
    )
    asyncio.run(request.send_push_promise("/style.css"))
    assert promises == [("/style.css", {"accept": "*/*", "user-agent": "test"})]


# -- The body


def test_the_body_is_read_in_every_way() -> None:
    async def main() -> None:
        assert await make_request([b"ab", b"c"]).get_data() == b"abc"
        assert await make_request([b"ab", b"c"]).data == b"abc"
        assert await make_request([b"ab", b"c"]).body == b"abc"
        assert [chunk async for chunk in make_request([b"ab", b"c"]).body] == [b"ab", b"c"]
        stream = await make_request([b"ab", b"c"]).stream
        assert [chunk async for chunk in stream] == [b"ab", b"c"]
        text = await make_request("ä".encode() + b"\xff").get_data(as_text=True)
        assert text == "ä\N{REPLACEMENT CHARACTER}"

    asyncio.run(main())


def test_data_is_kept_unless_it_is_not_cached() -> None:
    async def main() -> None:
        request = make_request(b"data")
        assert await request.get_data() == await request.get_data() == b"data"
        assert await request.get_data(cache=False) == b"data"
        assert await request.get_data() == b""

    asyncio.run(main())


def test_what_was_streamed_is_gone_without_an_error() -> None:
    async def main() -> None:
        request = make_request([b"ab", b"c"])
        async for _ in request.body:
            break
        assert await request.get_data() == b"c"

    asyncio.run(main())


def test_a_request_whose_body_nobody_reads_makes_none() -> None:
    class Unwanted(Body):
        def __init__(self, *args: Any) -> None:
            raise AssertionError("made")

    class Plain(Request):
        body_class = Unwanted

    assert make_request(request_class=Plain).path == "/path"


def test_a_pushed_body_and_a_replaced_one() -> None:
    async def main() -> None:
        request = make_request(None)
        request.body.set_result(b"pushed")
        assert await request.get_data() == b"pushed"
        request = make_request(None)
        request.body = Body(None, None)
        request.body.set_result(b"replaced")
        assert await request.get_data() == b"replaced"

    asyncio.run(main())


READS: dict[str, Callable[[Request], Any]] = {
    "get_data": lambda request: request.get_data(),
    "data": lambda request: request.data,
    "json": lambda request: request.get_json(force=True),
    "form": lambda request: request.form,
    "files": lambda request: request.files,
    "values": lambda request: request.values,
    "body": lambda request: request.body,
    "chunks": lambda request: all_chunks(request),  # noqa: PLW0108  # defined below
}


async def all_chunks(request: Request) -> list[bytes]:
    return [chunk async for chunk in request.body]


every_read = pytest.mark.parametrize("read", READS.values(), ids=READS)


@every_read
def test_a_body_that_does_not_come_in_time(read: Callable[[Request], Any]) -> None:
    async def main() -> None:
        request = make_request(None, FORM, body_timeout=0.001)
        with pytest.raises(RequestTimeout):
            await read(request)

    asyncio.run(main())


@every_read
def test_a_view_may_set_the_time(read: Callable[[Request], Any]) -> None:
    async def main() -> None:
        request = make_request(None, FORM, body_timeout=60)
        request.body_timeout = 0.001
        with pytest.raises(RequestTimeout):
            await read(request)

    asyncio.run(main())


def test_long_texts_of_clients_are_not_kept() -> None:
    asked: list[str | None] = []

    @kept(2)
    def noted(text: str | None) -> str | None:
        asked.append(text)
        return text

    for text in ("short", None, "long" * 100) * 2:
        assert noted(text) == text
    assert asked == ["short", None, "long" * 100, "long" * 100]


def test_only_waiting_for_a_body_counts() -> None:
    async def main() -> list[bytes]:
        request = make_request(None, FORM, body_timeout=0.05)
        chunks = []
        request.body.append(b"a")
        async for chunk in request.body:
            chunks.append(chunk)
            if len(chunks) == 1:
                await asyncio.sleep(0.1)  # Longer than the body may be waited for.
                request.body.set_result(b"b")
        return chunks

    assert asyncio.run(main()) == [b"a", b"b"]


def test_the_time_for_a_body_is_for_all_of_it() -> None:
    async def main() -> None:
        request = make_request(None, FORM, body_timeout=0.2)

        async def drip() -> None:
            while True:
                await asyncio.sleep(0.01)
                request.body.append(b"a")

        dripping = asyncio.create_task(drip())
        with pytest.raises(RequestTimeout):
            await all_chunks(request)
        dripping.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("body_timeout", [None, 60])
@every_read
def test_a_body_that_comes_in_time(
    read: Callable[[Request], Any], body_timeout: float | None
) -> None:
    async def main() -> None:
        await read(make_request(b"1", FORM, body_timeout=body_timeout))

    asyncio.run(main())


@every_read
def test_a_client_that_leaves(read: Callable[[Request], Any]) -> None:
    async def main() -> None:
        request = make_request(None, FORM)
        request.body.disconnect()
        with pytest.raises(ClientDisconnectedError):
            await read(request)

    asyncio.run(main())


# -- Limits


async def iterate(request: Request) -> None:
    async for _ in request.body:
        pass


@pytest.mark.parametrize("announce", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize(
    "read", [*READS.values(), iterate, lambda request: request.body], ids=[*READS, "iter", "body"]
)
def test_the_content_limit_holds_however_it_is_read(
    read: Callable[[Request], Any], announce: bool
) -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 10
        body = [b"a=bc"] * 4

        def request(**options: Any) -> Request:
            return make_request(body, FORM, announce=announce, **options)

        with pytest.raises(RequestEntityTooLarge):
            await read(request(max_content_length=10))
        own = request(max_content_length=1000)
        own.max_content_length = 10
        with pytest.raises(RequestEntityTooLarge):
            await read(own)
        async with app.app_context():
            with pytest.raises(RequestEntityTooLarge):
                await read(request())

    asyncio.run(main())


@pytest.mark.parametrize("announce", [True, False], ids=["content-length", "chunked"])
@pytest.mark.parametrize("limit", [16, None])
def test_a_view_may_raise_or_lift_the_limit(limit: int | None, announce: bool) -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 10
        async with app.app_context():
            request = make_request([b"1234"] * 4, announce=announce)
            assert request.max_content_length == 10
            request.max_content_length = limit
            assert request.max_content_length == limit
            assert await request.get_data() == b"1234" * 4

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("max_content_length", "MAX_CONTENT_LENGTH"),
        ("max_form_memory_size", "MAX_FORM_MEMORY_SIZE"),
        ("max_form_parts", "MAX_FORM_PARTS"),
    ],
)
def test_limits_come_from_the_config_unless_set(name: str, key: str) -> None:
    async def main() -> None:
        request = make_request()
        assert getattr(request, name) is None
        app = Quart(__name__)
        app.config[key] = 5
        async with app.app_context():
            assert getattr(request, name) == 5
            setattr(request, name, 7)
            assert getattr(request, name) == 7
            setattr(request, name, None)
            assert getattr(request, name) is None
            app.config[key] = None
            assert getattr(make_request(), name) is None

    asyncio.run(main())


def test_form_limits_are_passed_on() -> None:
    async def main() -> None:
        body, content_type = multipart(a="x" * 100, b="y")
        request = make_request(body, content_type)
        request.max_form_memory_size = 99
        with pytest.raises(RequestEntityTooLarge):
            await request.form
        request = make_request(body, content_type)
        request.max_form_parts = 1
        with pytest.raises(RequestEntityTooLarge):
            await request.form

    asyncio.run(main())


# -- JSON


def test_json_is_parsed_once() -> None:
    async def main() -> None:
        request = make_request(b'{"a": 1}', "application/json")
        value = await request.json
        assert value == {"a": 1}
        assert await request.get_json() is value
        assert await request.get_json(silent=True) is value
        assert await request.get_json(cache=False) is not value

    asyncio.run(main())


def test_json_of_another_type_is_none_unless_forced() -> None:
    async def main() -> None:
        request = make_request(b"[1]", "text/plain")
        assert await request.get_json() is None
        assert await request.get_json(force=True) == [1]

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"{", b"", b'"\xff"'])
def test_json_that_is_none(body: bytes) -> None:
    async def main() -> None:
        request = make_request(body, "application/json")
        assert await request.get_json(silent=True) is None
        with pytest.raises(BadRequest):
            await request.get_json()

    asyncio.run(main())


@pytest.mark.parametrize("debug", [True, False])
def test_only_in_debug_mode_the_client_is_told_what_is_wrong(debug: bool) -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.debug = debug
        async with app.app_context():
            with pytest.raises(BadRequest) as caught:
                await make_request(b"{", "application/json").get_json()
        assert ("Failed to decode JSON" in str(caught.value)) is debug

    asyncio.run(main())


def test_a_request_class_may_make_up_for_bad_json() -> None:
    class Lenient(Request):
        def on_json_loading_failed(self, error: Exception | None) -> Any:
            return {"error": type(error).__name__}

    async def main() -> None:
        request = make_request(b"{", "application/json", request_class=Lenient)
        assert await request.get_json() == {"error": "JSONDecodeError"}
        assert await request.get_json() == {"error": "JSONDecodeError"}
        assert await request.get_json(silent=True) is None

    asyncio.run(main())


# -- Forms


def test_an_urlencoded_form() -> None:
    async def main() -> None:
        request = make_request([b"a=1&b=", b"&a=%C3%A4"], FORM, query_string=b"a=0")
        form = await request.form
        assert isinstance(form, ImmutableMultiDict)
        assert form.to_dict(flat=False) == {"a": ["1", "ä"], "b": [""]}
        assert not await request.files
        assert (await request.values).getlist("a") == ["0", "1", "ä"]
        assert await request.form is form

    asyncio.run(main())


def test_the_values_of_a_get_are_its_arguments() -> None:
    async def main() -> None:
        request = make_request(b"a=1", FORM, method="GET", query_string=b"a=0")
        assert (await request.values).getlist("a") == ["0"]

    asyncio.run(main())


def test_a_multipart_form() -> None:
    async def main() -> None:
        body, content_type = multipart(a="text", f=(BytesIO(b"content"), "name.txt", "text/x"))
        request = make_request([body[:50], body[50:]], content_type)
        assert (await request.form)["a"] == "text"
        file = (await request.files)["f"]
        assert isinstance(file, FileStorage)
        assert (file.filename, file.mimetype, file.read()) == ("name.txt", "text/x", b"content")
        await request.close()
        assert file.closed

    asyncio.run(main())


@pytest.mark.parametrize("first", ["get_data", "body"])
@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_the_form_can_be_had_after_the_data(kind: str, first: str) -> None:
    body, content_type = (b"a=1", FORM) if kind == "urlencoded" else multipart(a="1")

    async def main() -> None:
        request = make_request(body, content_type)
        assert await (request.get_data() if first == "get_data" else request.body) == body
        assert (await request.form)["a"] == "1"
        assert await request.get_data() == body

    asyncio.run(main())


@pytest.mark.parametrize("is_multipart", [False, True], ids=["urlencoded", "multipart"])
def test_the_form_may_be_parsed_with_the_data(is_multipart: bool) -> None:
    """As with Flask, the data of a multipart form is then empty: it was not kept."""

    async def main() -> None:
        body, kind = multipart(a="1") if is_multipart else (b"a=1", FORM)
        request = make_request(body, kind)
        assert await request.get_data(parse_form_data=True) == (b"" if is_multipart else b"a=1")
        assert (await request.form)["a"] == "1"

    asyncio.run(main())


def test_a_form_asked_for_twice_at_once_is_parsed_once() -> None:
    parsed = []

    class Counting(FormDataParser):
        async def parse(self, *args: Any, **kwargs: Any) -> Any:
            parsed.append(True)
            return await super().parse(*args, **kwargs)

    class Counted(Request):
        form_data_parser_class = Counting

    async def get(awaitable: Awaitable[Any]) -> Any:
        return await awaitable

    async def main() -> None:
        request = make_request([b"a=", b"1"], FORM, request_class=Counted)
        form, files, values = await asyncio.gather(
            get(request.form), get(request.files), get(request.values)
        )
        assert (form["a"], list(files), values["a"]) == ("1", [], "1")

    asyncio.run(main())
    assert parsed == [True]


def test_a_missing_enctype_is_explained_in_debug_mode() -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.debug = True
        async with app.app_context():
            request = make_request(b"photo=cat.jpg", FORM)
            with pytest.raises(KeyError, match="multipart/form-data"):
                (await request.files)["photo"]

    asyncio.run(main())


# -- The state that a request of Flask's class shares


def make_flask_twin(request: Request, body: bytes = b"") -> flask.Request:
    environ = EnvironBuilder(
        method=request.method, input_stream=BytesIO(body), content_type=request.content_type
    ).get_environ()
    twin = flask.Request(environ, populate_request=False)
    request.__dict__.update(environ=environ, shallow=False)
    twin.__dict__ = request.__dict__
    return twin


def test_what_we_read_flask_sees() -> None:
    async def main() -> None:
        request = make_request(b'{"a": 1}', "application/json")
        value = await request.get_json()
        twin = make_flask_twin(request)
        assert twin.get_json() is value
        assert twin.get_data() == b'{"a": 1}'

        body, content_type = multipart(a="1", f=(BytesIO(b"content"), "name"))
        request = make_request(body, content_type)
        form, file = await request.form, (await request.files)["f"]
        twin = make_flask_twin(request)
        assert twin.form is form
        plain = twin.files["f"]
        assert type(plain) is WerkzeugFileStorage
        assert plain.stream is file.stream
        file.filename = "other"
        assert plain.filename == "other"
        await request.close()

    asyncio.run(main())


def test_what_flask_read_we_see() -> None:
    async def main() -> None:
        request = make_request(None, "application/json")
        twin = make_flask_twin(request, b'{"a": 1}')
        value = twin.get_json()
        assert await request.get_json() is value
        assert await request.get_data() == b'{"a": 1}'

        body, content_type = multipart(a="1", f=(BytesIO(b"content"), "name"))
        request = make_request(None, content_type)
        twin = make_flask_twin(request, body)
        assert issubclass(twin.form_data_parser_class, WSGIFormDataParser)
        plain = twin.files["f"]
        assert await request.form is twin.form
        file = (await request.files)["f"]
        assert isinstance(file, FileStorage)
        assert file.stream is plain.stream
        assert (await request.files)["f"] is file
        await request.close()

        request = make_request(None, FORM)
        twin = make_flask_twin(request, b"a=1")
        assert twin.get_data() == b"a=1"
        assert (await request.form)["a"] == "1"

    asyncio.run(main())


def test_a_limit_set_on_either_side_holds_on_both() -> None:
    async def main() -> None:
        app = Quart(__name__)
        async with app.app_context():
            request = make_request(b"1234")
            twin = make_flask_twin(request)
            assert twin.max_content_length == request._max_content_length
            twin.max_content_length = 3
            with pytest.raises(RequestEntityTooLarge):
                await request.get_data()
            request.max_content_length = 4
            assert twin.max_content_length == 4

    asyncio.run(main())
