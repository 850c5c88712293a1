"""The tools for testing, against real apps and against ASGI functions that misbehave."""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar
from io import BytesIO
from typing import Any, cast

import pytest
from werkzeug.datastructures import Authorization, Headers, MultiDict
from werkzeug.test import ClientRedirectError

from quart import (
    abort,
    g,
    has_request_context,
    jsonify,
    Quart,
    redirect,
    request,
    Response,
    session,
    stream_with_context,
    websocket,
)
from quart.datastructures import FileStorage
from quart.testing import (
    make_test_body_with_headers,
    make_test_headers_path_and_query_string,
    make_test_scope,
    no_op_push,
    QuartClient,
    sentinel,
    TestApp,
    WebsocketResponseError,
)
from quart.testing.app import LifespanError
from quart.testing.connections import (
    HTTPDisconnectError,
    TestHTTPConnection,
    TestWebsocketConnection,
    WebsocketDisconnectError,
)
from quart.testing.utils import make_test_request

from .driver import turns


def run(main: Any) -> Any:
    """Run a test; nothing here may take long, so a hang is a failure."""

    async def limited() -> Any:
        async with asyncio.timeout(10):
            return await main

    return asyncio.run(limited())


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "a secret"
    return app


def asgi(app: Quart, function: Any) -> QuartClient:
    """A client for an ASGI function that stands in for the app."""
    app.asgi_app = function  # type: ignore[method-assign]
    return app.test_client()


# Head and body of a request


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/", None, ("/", b"")),
        ("/a%20b?c=d", None, ("/a b", b"c=d")),
        ("/?ü=ä b", None, ("/", b"%C3%BC=%C3%A4%20b")),
        ("/", {"a": "b", "c": ["d", "e"]}, ("/", b"a=b&c=d&c=e")),
        ("/", MultiDict([("a", "1"), ("a", "2")]), ("/", b"a=1&a=2")),
        ("/", "a=b", ("/", b"a=b")),
        ("/", b"a=b", ("/", b"a=b")),
        ("//a/b", None, ("//a/b", b"")),
        ("/a:b//c", None, ("/a:b//c", b"")),
        ("/#fragment", None, ("/", b"")),
        ("https://example.com:80/a?b", None, ("/a", b"b")),
        ("http://example.com", None, ("/", b"")),
    ],
)
def test_path_and_query_string(app: Quart, path: str, query: Any, expected: Any) -> None:
    _, *result = make_test_headers_path_and_query_string(app, path, None, query)
    assert tuple(result) == expected


def test_two_query_strings_are_refused(app: Quart) -> None:
    with pytest.raises(ValueError, match="query string in one place"):
        make_test_headers_path_and_query_string(app, "/?a=b", None, {"c": "d"})


@pytest.mark.parametrize(
    ("path", "server_name", "subdomain", "host"),
    [
        ("/", None, None, "localhost"),
        ("/", "quart.com:8000", None, "quart.com:8000"),
        ("/", "quart.com", "blog", "blog.quart.com"),
        ("http://user:word@other.com:81/", "quart.com", None, "other.com:81"),
    ],
)
def test_host(
    app: Quart, path: str, server_name: str | None, subdomain: str | None, host: str
) -> None:
    app.config["SERVER_NAME"] = server_name
    headers, _, _ = make_test_headers_path_and_query_string(app, path, subdomain=subdomain)
    assert headers["Host"] == host
    assert headers["User-Agent"] == "Quart"


@pytest.mark.parametrize(
    "auth", [("user", "word"), Authorization("basic", {"username": "user", "password": "word"})]
)
def test_auth(app: Quart, auth: Any) -> None:
    given = Headers({"X-Test": "1"})
    headers, _, _ = make_test_headers_path_and_query_string(app, "/", given, auth=auth)
    assert headers["Authorization"] == "Basic dXNlcjp3b3Jk"
    assert headers["X-Test"] == "1"
    assert list(given) == [("X-Test", "1")]


@pytest.mark.parametrize(
    ("options", "body", "content_type"),
    [
        ({}, b"", None),
        ({"data": "ü"}, "ü".encode(), None),
        ({"data": b"b"}, b"b", None),
        ({"json": None}, b"null", "application/json"),
        ({"json": [1]}, b"[1]", "application/json"),
        (
            {"form": {"a": ["b", "c"], "d": 1}},
            b"a=b&a=c&d=1",
            "application/x-www-form-urlencoded",
        ),
    ],
)
def test_body(options: Any, body: bytes, content_type: str | None) -> None:
    data, headers = make_test_body_with_headers(**options)
    assert data == body
    assert headers.get("Content-Type") == content_type


@pytest.mark.parametrize(
    "options",
    [
        {"data": b"", "json": 1},
        {"json": 1, "form": {}},
        {"data": "", "files": {}},
        {"json": sentinel, "data": b"", "form": {}},
    ],
)
def test_two_bodies_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="mutually exclusive"):
        make_test_body_with_headers(**options)


def test_a_dict_is_no_data() -> None:
    with pytest.raises(TypeError, match="Expected data to be str or bytes, got dict"):
        make_test_body_with_headers(data=cast(Any, {"a": 1}))


def test_json_is_encoded_by_the_app(app: Quart) -> None:
    app.json.dumps = lambda value, **kwargs: "encoded"  # type: ignore[method-assign]
    assert make_test_body_with_headers(json=object(), app=app)[0] == b"encoded"


def test_scope() -> None:
    scope: Any = make_test_scope(
        "http", "/ü", "POST", Headers({"A": "b"}), b"c", "https", "/r", "2", {"client": ("h", 1)}
    )
    assert scope["method"] == "POST"
    assert scope["raw_path"] == b"/%C3%BC"
    assert scope["headers"] == [(b"a", b"b")]
    assert scope["extensions"] == {"http.response.push": {}}
    assert scope["client"] == ("h", 1)
    assert "quart.preserve_context" not in scope


def test_websocket_scope() -> None:
    scope: Any = make_test_scope(
        "websocket", "/", "GET", Headers(), b"", "ws", "", "1.1", None, _preserve_context=True
    )
    assert "method" not in scope  # as servers have it
    assert scope["extensions"] == {"websocket.http.response": {}}


def test_no_op_push() -> None:
    assert run(no_op_push("/", Headers())) is None


def test_make_test_request(app: Quart) -> None:
    async def main() -> None:
        made = make_test_request(app, "/?a=b", method="POST", json={"c": "d"})
        assert made.method == "POST"
        assert made.args["a"] == "b"
        async with app.request_context(made):
            assert await made.get_json() == {"c": "d"}

    run(main())


# Requests


@pytest.mark.parametrize("method", ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"])
def test_methods(app: Quart, method: str) -> None:
    @app.route("/", methods=[method], provide_automatic_options=False)
    async def index() -> str:
        return request.method

    async def main() -> None:
        response = await getattr(app.test_client(), method.lower())("/")
        assert await response.get_data(as_text=True) == method

    run(main())


def test_head(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        return "hello"

    async def main() -> None:
        response = await app.test_client().head("/")
        assert await response.get_data() == b""
        assert response.headers["Content-Length"] == "5"

    run(main())


def test_request_arguments(app: Quart) -> None:
    @app.post("/<name>")
    async def index(name: str) -> dict[str, Any]:
        return {
            "args": request.args.to_dict(),
            "json": await request.get_json(),
            "scheme": request.scheme,
            "host": request.host,
            "auth": request.authorization and request.authorization.username,
            "header": request.headers["X-Test"],
            "remote": request.remote_addr,
            "length": request.content_length,
            "name": name,
        }

    async def main() -> None:
        client = app.test_client()
        response = await client.post(
            "/n%C3%A4me",
            headers={"X-Test": "x"},
            json={"a": 1},
            query_string={"b": "c"},
            scheme="https",
            auth=("me", "word"),
            subdomain="sub",
            scope_base={"client": ("1.2.3.4", 5)},
        )
        assert await response.get_json() == {
            "args": {"b": "c"},
            "json": {"a": 1},
            "scheme": "https",
            "host": "sub.localhost",
            "auth": "me",
            "header": "x",
            "remote": "1.2.3.4",
            "length": 8,
            "name": "näme",
        }

    run(main())


def test_form_and_files(app: Quart) -> None:
    @app.post("/")
    async def index() -> dict[str, Any]:
        form, files = await request.form, await request.files
        return {
            "form": list(form.items(multi=True)),
            "files": [
                [key, file.filename, file.content_type, file.read().decode()]
                for key, file in files.items(multi=True)
            ],
        }

    async def main() -> None:
        response = await app.test_client().post(
            "/",
            form={"a": ["1", "ü"], "b": 2},
            files={
                "one": FileStorage(BytesIO(b"x"), "one.txt", headers=Headers({"X-Y": "z"})),
                "two": [(BytesIO(b"y"), "two.bin"), (BytesIO(b"z"), "t", "text/css")],
            },
        )
        assert await response.get_json() == {
            "form": [["a", "1"], ["a", "ü"], ["b", "2"]],
            "files": [
                ["one", "one.txt", "text/plain", "x"],
                ["two", "two.bin", "application/octet-stream", "y"],
                ["two", "t", "text/css", "z"],
            ],
        }

    run(main())


def test_response_is_exactly_what_was_sent(app: Quart) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body"})

    async def main() -> None:
        response = await asgi(app, bare).get("/")
        assert response.status_code == 204
        assert list(response.headers) in ([("a", "b")], [("A", "b")])

    run(main())


@pytest.mark.parametrize(
    ("code", "method", "expected"),
    [
        (301, "POST", "GET "),
        (302, "POST", "GET "),
        (303, "PUT", "GET "),
        (307, "POST", "POST body"),
        (308, "PUT", "PUT body"),
        (302, "HEAD", ""),
    ],
)
def test_redirects(app: Quart, code: int, method: str, expected: str) -> None:
    @app.route("/start/", methods=["HEAD", "POST", "PUT"])
    async def start() -> Any:
        return redirect("../end?a=b", code)

    @app.route("/end", methods=["GET", "POST", "PUT"])
    async def end() -> str:
        assert request.args["a"] == "b"
        body: str = await request.get_data(as_text=True)
        return f"{request.method} {body}"

    async def main() -> None:
        client = app.test_client()
        response = await client.open("/start/", method=method, data="body")
        assert response.status_code == code
        response = await client.open("/start/", method=method, data="body", follow_redirects=True)
        assert response.status_code == 200
        assert await response.get_data(as_text=True) == expected

    run(main())


def test_redirect_to_another_scheme_and_host(app: Quart) -> None:
    app.config["SERVER_NAME"] = "quart.com"

    @app.get("/")
    async def index() -> Any:
        if request.scheme == "http":
            return redirect("https://quart.com/?a=b")
        return redirect("https://elsewhere.com/")

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"redirect within the app.*https://elsewhere"):
            await app.test_client().get("/", follow_redirects=True)

    run(main())


def test_endless_redirects_end(app: Quart) -> None:
    @app.get("/")
    async def index() -> Any:
        return redirect("/")

    async def main() -> None:
        with pytest.raises(ClientRedirectError, match="to end, got over"):
            await app.test_client().get("/", follow_redirects=True)

    run(main())


def test_not_modified_is_no_redirect(app: Quart) -> None:
    @app.get("/")
    async def index() -> Any:
        return Response(status=304)

    async def main() -> None:
        response = await app.test_client().get("/", follow_redirects=True)
        assert response.status_code == 304

    run(main())


def test_push_promises(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        await request.send_push_promise("/style.css")
        return ""

    async def main() -> None:
        client = app.test_client()
        await client.get("/", http_version="2", headers={"Accept": "text/css"})
        (promise,) = client.push_promises
        assert promise[0] == "/style.css"
        await client.get("/")
        assert client.push_promises == []

    run(main())


# Failures of the app


@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_exceptions_reach_the_caller(app: Quart, setting: str) -> None:
    app.config[setting] = True

    @app.get("/")
    async def index() -> str:
        raise ZeroDivisionError("of the view")

    async def main() -> None:
        with pytest.raises(ZeroDivisionError, match="of the view"):
            await app.test_client().get("/")

    run(main())


def test_exceptions_without_propagation(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        raise ZeroDivisionError

    async def main() -> None:
        assert (await app.test_client().get("/")).status_code == 500

    run(main())


@pytest.mark.parametrize("after", ["nothing", "start", "body", "end"])
def test_failure_at_any_point_is_raised(app: Quart, after: str) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        if after != "nothing":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        if after in {"body", "end"}:
            await send({"type": "http.response.body", "body": b"a", "more_body": after == "body"})
        raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await asgi(app, fail).get("/")

    run(main())


def test_no_answer_at_all(app: Quart) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        pass

    async def main() -> None:
        with pytest.raises(RuntimeError, match="Expected the app to answer"):
            await asgi(app, silent).get("/")

    run(main())


def test_cancelling_a_request_cancels_the_app(app: Quart) -> None:
    ended: list[bool] = []
    limit = asyncio.Timeout(None)

    @app.get("/")
    async def index() -> str:
        limit.reschedule(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return ""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with limit:
                await app.test_client().get("/")
        assert ended == [True]

    run(main())


# Streams


def test_streaming_both_ways(app: Quart) -> None:
    @app.post("/")
    async def echo() -> Any:
        @stream_with_context
        async def chunks() -> Any:
            async for chunk in request.body:
                if chunk:
                    yield chunk.upper()

        return chunks(), {"X-Test": "x"}

    async def main() -> None:
        async with app.test_client().request("/", method="POST") as connection:
            for chunk in (b"one", b"two"):
                await connection.send(chunk)
                assert await connection.receive() == chunk.upper()
            assert connection.status_code == 200
            await connection.send(b"three")
            await connection.send_complete()
        response = await connection.as_response()
        assert response.headers["X-Test"] == "x"
        assert await response.get_data() == b"THREE"

    run(main())


def test_iterating_a_response_ends_with_it(app: Quart) -> None:
    @app.get("/")
    async def index() -> Any:
        async def chunks() -> Any:
            yield b"a"
            yield b"b"

        return chunks()

    async def main() -> None:
        async with app.test_client().request("/") as connection:
            await connection.send_complete()
            assert b"".join([chunk async for chunk in connection]) == b"ab"
            with pytest.raises(HTTPDisconnectError, match="nothing more to receive"):
                await connection.receive()

    run(main())


def test_failure_wakes_who_receives(app: Quart) -> None:
    app.testing = True

    @app.get("/")
    async def index() -> Any:
        async def chunks() -> Any:
            yield b"a"
            raise ZeroDivisionError

        return chunks()

    async def main() -> None:
        async with app.test_client().request("/") as connection:
            await connection.send_complete()
            assert await connection.receive() == b"a"
            with pytest.raises(ZeroDivisionError):
                await connection.receive()
        # It was seen, so leaving does not raise it again.

    run(main())


def test_disconnect_ends_an_endless_response(app: Quart) -> None:
    ended = asyncio.Event()

    @app.get("/")
    async def index() -> Any:
        async def chunks() -> Any:
            try:
                while True:
                    yield b"tick"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        return chunks()

    async def main() -> None:
        async with app.test_client().request("/") as connection:
            await connection.send_complete()
            assert await connection.receive() == b"tick"
            await connection.disconnect()
        await ended.wait()

    run(main())


async def fail_within(connection: Any) -> None:
    async with connection:
        await asyncio.sleep(0)
        raise AssertionError("mine")


def test_a_failing_test_does_not_wait_for_the_app(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart.testing.connections.HANG_UP_TIMEOUT", 0.05)
    cancelled = []

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> None:
        client = asgi(app, deaf)
        for connection in (client.request("/"), client.websocket("/")):
            with pytest.raises(AssertionError, match="mine"):
                await fail_within(connection)
        assert cancelled == [True, True]

    run(main())


def test_connections_need_a_with_block(app: Quart) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="Use 'async with'"):
            await app.test_client().request("/").receive()

    run(main())


# Websockets


def test_websocket_messages(app: Quart) -> None:
    @app.websocket("/")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    async def main() -> None:
        async with app.test_client().websocket("/") as connection:
            for message in ("text", b"bytes", "", b""):
                await connection.send(message)
                assert await connection.receive() == message
            await connection.send_json({"a": 1})
            assert await connection.receive_json() == {"a": 1}
            assert connection.accepted

    run(main())


def test_websocket_arguments(app: Quart) -> None:
    @app.websocket("/<name>")
    async def index(name: str) -> None:
        await websocket.accept(subprotocol="two", headers={"X-Answer": "yes"})
        about = [name, websocket.args["a"], websocket.scheme, websocket.requested_subprotocols]
        await websocket.send_json(about)

    async def main() -> None:
        async with app.test_client().websocket(
            "/n", query_string={"a": "b"}, scheme="wss", subprotocols=["one", "two"]
        ) as connection:
            assert await connection.receive_json() == ["n", "b", "wss", ["one", "two"]]
            assert connection.subprotocol == "two"
            assert connection.headers is not None
            assert connection.headers["X-Answer"] == "yes"

    run(main())


def test_websocket_closed_by_the_app(app: Quart) -> None:
    @app.websocket("/")
    async def index() -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")

    async def main() -> None:
        async with app.test_client().websocket("/") as connection:
            with pytest.raises(WebsocketDisconnectError) as raised:
                await connection.receive()
        assert (raised.value.code, raised.value.reason) == (4000, "enough")
        assert raised.value.args[0] == 4000
        assert connection.close_code == 4000

    run(main())


def test_websocket_closed_by_the_test(app: Quart) -> None:
    seen = []

    @app.websocket("/")
    async def index() -> None:
        await websocket.accept()
        try:
            await websocket.receive()
        except BaseException as error:
            seen.append(error)
            raise

    async def main() -> None:
        async with app.test_client().websocket("/") as connection:
            await connection.close(1001)
        assert len(seen) == 1

    run(main())


def test_refused_websocket(app: Quart) -> None:
    @app.websocket("/")
    async def index() -> Any:
        abort(401)

    async def main() -> None:
        client = app.test_client()
        with pytest.raises(WebsocketResponseError) as raised:
            async with client.websocket("/"):
                pass
        assert raised.value.response.status_code == 401
        async with client.websocket("/") as connection:
            with pytest.raises(WebsocketResponseError):
                await connection.receive()
            with pytest.raises(WebsocketResponseError):
                await connection.receive()

    run(main())


def test_websocket_failure_wakes_who_receives(app: Quart) -> None:
    app.testing = True

    @app.websocket("/")
    async def index() -> None:
        await websocket.accept()
        raise ZeroDivisionError

    async def main() -> None:
        async with app.test_client().websocket("/") as connection:
            with pytest.raises(ZeroDivisionError):
                await connection.receive()
        with pytest.raises(ZeroDivisionError):
            async with app.test_client().websocket("/"):
                await turns()  # Until the application has failed; nobody says so.

    run(main())


# Cookies and sessions


def test_cookies_come_back(app: Quart) -> None:
    @app.get("/set")
    async def set_cookie() -> Response:
        response = Response("")
        response.set_cookie("a", 'b "c"; d', secure=True)
        response.set_cookie("p", "1", path="/path")
        return response

    @app.get("/delete")
    async def delete_cookie() -> Response:
        response = Response("")
        response.delete_cookie("a")
        return response

    @app.get("/")
    @app.get("/path/")
    async def show() -> Any:
        return jsonify(request.cookies)

    async def main() -> None:
        client = app.test_client()
        await client.get("/set")
        assert await (await client.get("/")).get_json() == {"a": 'b "c"; d'}
        assert await (await client.get("/path/")).get_json() == {"a": 'b "c"; d', "p": "1"}
        await client.get("/delete")
        assert await (await client.get("/")).get_json() == {}
        client.set_cookie("localhost", "x", "y")
        client.set_cookie("example.com", "z", "z")
        assert await (await client.get("/")).get_json() == {"x": "y"}
        assert isinstance(client.cookie_jar, CookieJar)
        assert {cookie.name for cookie in client.cookie_jar} == {"p", "x", "z"}
        client.delete_cookie("localhost", "x")
        assert await (await client.get("/")).get_json() == {}

    run(main())


def test_cookies_of_streams_and_websockets_are_kept(app: Quart) -> None:
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.accept(headers={"Set-Cookie": f"ws=1{websocket.cookies.get('http', '')}"})

    @app.get("/")
    async def index() -> Response:
        response = Response("")
        response.set_cookie("http", "2" + request.cookies.get("ws", ""))
        return response

    async def main() -> None:
        client = app.test_client()
        async with client.request("/") as connection:
            await connection.send_complete()
        async with client.websocket("/ws") as websocket:
            with pytest.raises(WebsocketDisconnectError):
                await websocket.receive()
        assert client.cookie_jar is not None
        assert {cookie.name: cookie.value for cookie in client.cookie_jar} == {
            "http": "2",
            "ws": "12",
        }

    run(main())


def test_client_without_cookies(app: Quart) -> None:
    @app.get("/")
    async def index() -> Response:
        response = Response(str(len(request.cookies)))
        response.set_cookie("a", "b")
        return response

    async def main() -> None:
        client = app.test_client(use_cookies=False)
        for _ in range(2):
            assert await (await client.get("/")).get_data() == b"0"
        with pytest.raises(RuntimeError, match="Expected a client with cookies"):
            async with client.session_transaction():
                pass

    run(main())


def test_session_transaction(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    async def main() -> None:
        client = app.test_client()
        async with client.session_transaction() as local:
            assert not local
            local["count"] = 40
        await client.get("/")
        assert await (await client.get("/")).get_data() == b"42"
        async with client.session_transaction() as local:
            assert local["count"] == 42
            del local["count"]
        assert await (await client.get("/")).get_data() == b"1"

    run(main())


def test_session_transaction_needs_a_session(app: Quart) -> None:
    class NoSessions(type(app.session_interface)):  # type: ignore[misc]
        async def open_session(self, app: Any, request: Any) -> None:
            return None

    app.session_interface = NoSessions()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="SECRET_KEY"):
            async with app.test_client().session_transaction():
                pass

    run(main())


def test_failed_session_transaction_saves_nothing(app: Quart) -> None:
    async def main() -> None:
        client = app.test_client()

        async def fail() -> None:
            async with client.session_transaction() as local:
                local["a"] = 1
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        async with client.session_transaction() as local:
            assert "a" not in local

    run(main())


def test_preserved_context(app: Quart) -> None:
    torn_down = []

    @app.get("/<name>")
    async def index(name: str) -> str:
        g.name = name
        session["name"] = name
        return ""

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        torn_down.append(request.path)

    async def main() -> None:
        async with app.test_client() as client:
            for name in ("one", "two"):
                await client.get(f"/{name}")
                assert request.path == f"/{name}"
                assert g.name == session["name"] == name
            with pytest.raises(RuntimeError, match="do not nest"):
                async with client:
                    pass
        assert not has_request_context()
        assert set(torn_down) == {"/one", "/two"}

    run(main())


# Serving hooks


def test_test_app_runs_the_hooks(app: Quart) -> None:
    events = []

    @app.before_serving
    async def before() -> None:
        events.append("before")

    @app.while_serving
    async def around() -> Any:
        events.append("up")
        yield
        events.append("down")

    @app.after_serving
    def after() -> None:
        events.append("after")

    @app.get("/")
    async def index() -> str:
        return "hi"

    async def main() -> None:
        async with app.test_app() as test_app:
            assert events == ["before", "up"]
            response = await test_app.test_client().get("/")
            assert await response.get_data() == b"hi"
        assert events == ["before", "up", "down", "after"]

    run(main())


@pytest.mark.parametrize("stage", ["before", "after"])
def test_failing_hook_is_raised(app: Quart, stage: str) -> None:
    @getattr(app, f"{stage}_serving")  # type: ignore[untyped-decorator]
    async def fail() -> None:
        raise ValueError("the reason")

    async def main() -> None:
        with pytest.raises(LifespanError, match="the reason"):
            async with app.test_app():
                pass

    run(main())


def test_failure_of_the_test_comes_first(app: Quart) -> None:
    @app.after_serving
    async def fail() -> None:
        raise ValueError("of the hook")

    async def main() -> None:
        with pytest.raises(AssertionError, match="of the test") as raised:
            async with app.test_app():
                raise AssertionError("of the test")
        assert "of the hook" in raised.value.__notes__[0]

    run(main())


def test_hook_that_takes_too_long(app: Quart) -> None:
    @app.before_serving
    async def hang() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        with pytest.raises(TimeoutError, match=r"the startup of the app within 0\.05 seconds"):
            await TestApp(app, startup_timeout=cast(int, 0.05)).startup()

    run(main())


def test_app_that_dies_while_starting(app: Quart) -> None:
    async def die(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    app.asgi_app = die  # type: ignore[method-assign]

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await app.test_app().startup()
        with pytest.raises(RuntimeError, match="Await startup"):
            await app.test_app().shutdown()

    run(main())


def test_pytest_does_not_collect_the_tools() -> None:
    for tool in (TestApp, TestHTTPConnection, TestWebsocketConnection):
        assert tool.__test__ is False
