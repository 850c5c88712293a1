"""What subclasses and extensions written for Quart 0.22 and 0.23 do, and may go on doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestedRangeNotSatisfiable, RequestEntityTooLarge

from quart import Blueprint, Quart, request, Response, websocket
from quart.asgi import _convert_os_error, ASGIHTTPConnection, ASGIWebsocketConnection
from quart.testing import QuartClient, QuartCliRunner, TestApp, WebsocketResponseError
from quart.wrappers import Body, ClientDisconnectedError, Request, Websocket
from quart.wrappers.response import _raise_if_invalid_range, IterableBody
from quart.wrappers.websocket import Buffer

from . import driver

RUNNERS: dict[str, Callable[[Callable[[], Awaitable[Any]]], Any]] = {
    "asyncio": lambda main: asyncio.run(main()),  # type: ignore[arg-type]
    "trio": trio.run,
}


@pytest.fixture(params=RUNNERS)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    return RUNNERS[request.param]


@pytest.fixture
def app() -> Quart:
    return Quart(__name__)


# --- The application


def test_the_classes_for_testing_may_be_derived_from(app: Quart) -> None:
    expected = (QuartClient, TestApp, QuartCliRunner)
    assert (app.test_client_class, app.test_app_class, app.test_cli_runner_class) == expected

    class Client(app.test_client_class):  # type: ignore[name-defined,misc]
        pass

    app.test_client_class = Client
    assert type(app.test_client()) is Client
    assert type(Quart(__name__).test_client()) is QuartClient


def test_a_mark_on_send_static_file_is_seen_on_the_view(app: Quart) -> None:
    Quart.send_static_file.hidden = True  # type: ignore[attr-defined]
    try:
        assert vars(app.view_functions["static"])["hidden"]
    finally:
        del Quart.send_static_file.hidden  # type: ignore[attr-defined]


def test_a_step_takes_the_context_after_its_other_arguments(app: Quart) -> None:
    async def main() -> None:
        async with app.test_request_context("/") as ctx:
            response = await app.finalize_request("x", ctx)  # type: ignore[arg-type]
            assert await response.get_data() == b"x"
            processed = app.process_response(response, request_context=ctx)  # type: ignore[call-arg]
            assert await processed is response

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["app", "blueprint"])
def test_who_ends_serving_itself_ends_the_generators(app: Quart, kind: str) -> None:
    log = []
    blueprint = Blueprint("blueprint", __name__)

    @(app.while_serving if kind == "app" else blueprint.while_app_serving)
    async def life() -> AsyncIterator[None]:
        log.append("start")
        yield
        log.append("end")

    app.register_blueprint(blueprint)

    async def main() -> None:
        for _ in range(2):
            await app.startup()
            for generator in app.while_serving_gens:
                with pytest.raises(StopAsyncIteration):
                    await anext(generator)

    asyncio.run(main())
    assert log == ["start", "end"] * 2


# --- The test client


def test_a_client_may_change_what_is_sent(app: Quart) -> None:
    class Client(QuartClient):
        async def _make_request(
            self, path: str, method: str, headers: Any, *args: Any, **kwargs: Any
        ) -> Any:
            headers = Headers(headers)
            headers["X-Sent"] = "by Client"
            return await super()._make_request(path, method, headers, *args, **kwargs)

    @app.get("/")
    async def index() -> tuple[str, int, dict[str, str]]:
        return "", 302, {"Location": f"/{request.headers['X-Sent']}"}

    @app.get("/by Client")
    async def there() -> str:
        return request.headers["X-Sent"]

    app.test_client_class = Client
    response = asyncio.run(app.test_client().get("/", follow_redirects=True))
    assert asyncio.run(response.get_data()) == b"by Client"


@pytest.mark.parametrize("server_name", [None, "example.test"])
def test_a_cookie_for_no_host_is_for_the_default_one(app: Quart, server_name: str | None) -> None:
    app.config["SERVER_NAME"] = server_name

    @app.get("/")
    async def index() -> str:
        return request.cookies.get("a", "none")

    async def main() -> list[bytes]:
        client = app.test_client()
        client.set_cookie(None, "a", "b")
        found = [await (await client.get("/")).get_data()]
        client.delete_cookie(None, "a")
        return [*found, await (await client.get("/")).get_data()]

    assert asyncio.run(main()) == [b"b", b"none"]


# --- Bodies


class OwnBody(Body):
    """Sets attributes of its own, by the names of 0.22, and does not call `Body.__init__`."""

    def __init__(self, expected: int | None, limit: int | None) -> None:
        self._data = bytearray()
        self._complete = self._has_data = object()
        self._max_content_length = limit
        if expected is not None and limit is not None and expected > limit:
            self._must_raise = RequestEntityTooLarge()


def test_a_body_with_an_init_of_its_own_is_pushed_and_read(run: Any) -> None:
    async def main() -> tuple[bytes, bytes]:
        whole, pieces = OwnBody(None, 5), OwnBody(None, None)
        whole.append(b"12")
        whole.set_result(b"345")
        pieces.set_result(b"x")
        return await whole, b"".join([piece async for piece in pieces])

    assert run(main) == (b"12345", b"x")


@pytest.mark.parametrize(("expected", "data"), [(6, b""), (None, b"123456")])
def test_a_body_with_an_init_of_its_own_is_limited(
    run: Any, expected: int | None, data: bytes
) -> None:
    async def main() -> None:
        body = OwnBody(expected, 5)
        body.append(data)
        with pytest.raises(RequestEntityTooLarge):
            await body

    run(main)


def test_what_was_not_kept_is_not_read_as_a_shorter_body() -> None:
    async def main() -> None:
        body = Body(None, 5)
        body.set_result(b"123456")
        body.max_content_length = None
        with pytest.raises(RequestEntityTooLarge):
            await body

    asyncio.run(main())


def test_a_body_that_is_waited_for_under_trio_may_be_pushed() -> None:
    async def main() -> None:
        body = Body(None, None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: wait(body))
            await trio.testing.wait_all_tasks_blocked()
            body.set_result(b"data")

    async def wait(body: Body) -> None:
        assert await body == b"data"

    trio.run(main)


def test_a_request_may_parse_its_form_itself(app: Quart) -> None:
    class OwnRequest(Request):
        async def _load_form_data(self) -> None:
            async with self._parsing_lock:
                if self._form is None:
                    self._form, self._files = await self.make_form_data_parser().parse(
                        self.body, self.mimetype, self.content_length, self.mimetype_params
                    )

    @app.post("/")
    async def index() -> str:
        assert (await request.files) is request._files
        return (await request.form)["a"]

    app.request_class = OwnRequest
    response = asyncio.run(app.test_client().post("/", form={"a": "b"}))
    assert asyncio.run(response.get_data()) == b"b"


def test_an_iterable_body_may_set_its_iterator_itself() -> None:
    class OwnBody(IterableBody):
        def __init__(self, iterable: Any) -> None:
            async def each() -> AsyncIterator[bytes]:
                for chunk in iterable:
                    yield chunk

            self.iter = each()

    class OwnResponse(Response):
        iterable_body_class = OwnBody

    assert asyncio.run(OwnResponse(iter([b"a", b"b"])).get_data()) == b"ab"


@pytest.mark.parametrize(("begin", "end"), [(-1, 2), (2, 2), (0, 5), (4, 5)])
def test_a_range_outside_of_the_body_is_refused(begin: int, end: int) -> None:
    _raise_if_invalid_range(0, 4, 4)
    with pytest.raises(RequestedRangeNotSatisfiable):
        _raise_if_invalid_range(begin, end, 4)


# --- Connections


def test_a_connection_may_run_its_tasks_itself(app: Quart) -> None:
    class Connection(ASGIHTTPConnection):
        async def __call__(self, receive: Any, send: Any) -> None:
            request = self._create_request_from_scope(send)
            receiving = asyncio.create_task(self.handle_messages(request, receive))
            await self._send_response(send, await self.app.handle_request(request))
            receiving.cancel()

    app.asgi_http_class = Connection
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/")
    async def index() -> Any:
        data = await request.get_data()
        return iter([b"<", data, b">"])

    async def main() -> list[tuple[int, bytes]]:
        responses = [await app.test_client().post("/", data=b"x" * size) for size in (3, 11)]
        return [(response.status_code, await response.get_data()) for response in responses]

    (first, second) = asyncio.run(main())
    assert first == (200, b"<xxx>")
    assert second[0] == 413


def test_a_websocket_may_be_given_its_receive(app: Quart) -> None:
    class Connection(ASGIWebsocketConnection):
        def __init__(self, app: Quart, scope: Any) -> None:
            self.app = app
            self.scope = scope

        async def __call__(self, receive: Any, send: Any) -> None:
            async def next_message() -> str | bytes:
                message = await receive()
                return str(message["text"])

            await receive()
            self.next_message = next_message
            await self.handle_websocket(self._create_websocket_from_scope(send), send)

        def _create_websocket_from_scope(self, send: Any) -> Websocket:
            async def say(data: str | bytes) -> None:
                await self.send_data(send, data)

            async def accept(headers: Headers, subprotocol: str | None) -> None:
                await self.accept_connection(send, headers, subprotocol)

            async def close(code: int, reason: str) -> None:
                await self.close_connection(send, code, reason)

            make: Any = self.app.websocket_class
            head: tuple[Any, ...] = (
                self.scope["path"],
                b"",
                "ws",
                Headers({"Host": "localhost"}),
                "",
                "1.1",
                [],
            )
            made: Websocket = make(*head, self.next_message, say, accept, close, scope=self.scope)
            return made

    app.asgi_websocket_class = Connection

    @app.websocket("/")
    async def echo() -> None:
        await websocket.send(str(await websocket.receive()) + "!")

    @app.websocket("/refused")
    async def refuse() -> tuple[str, int]:
        return "no", 403

    async def main() -> Any:
        async with app.test_client().websocket("/") as connection:
            await connection.send("hello")
            echoed = await connection.receive()
        with pytest.raises(WebsocketResponseError) as refused:
            async with app.test_client().websocket("/refused") as connection:
                await connection.receive()
        return echoed, refused.value.response.status_code

    assert asyncio.run(main()) == ("hello!", 403)


class OwnBuffer(Buffer):
    """Makes a queue by the name that 0.23 has for it, and does not call `Buffer.__init__`."""

    def __init__(self) -> None:
        self._queue = object()


def test_a_buffer_with_an_init_of_its_own_is_pushed_and_read(run: Any) -> None:
    async def main() -> list[str | bytes]:
        buffer = OwnBuffer()
        await buffer.put("hello")
        await buffer.put(b"")
        buffer.disconnect()
        return [message async for message in buffer]

    assert run(main) == ["hello", b""]


def test_a_connection_may_convert_errors_of_send_itself() -> None:
    async def broken(message: Any) -> None:
        raise BrokenPipeError("nobody reads")

    async def main() -> None:
        with pytest.raises(ClientDisconnectedError):
            await _convert_os_error(broken)({"type": "http.response.body"})  # type: ignore[arg-type]

    asyncio.run(main())


# --- Cancellation


def test_a_view_that_awaits_what_was_cancelled_is_answered(app: Quart) -> None:
    torn_down: list[BaseException | None] = []
    app.teardown_request(torn_down.append)

    @app.get("/")
    async def index() -> str:
        task = asyncio.create_task(asyncio.sleep(10))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
        return ""

    response = asyncio.run(app.test_client().get("/"))
    assert response.status_code == 500
    assert [type(error) for error in torn_down] == [asyncio.CancelledError]


@pytest.mark.parametrize("debug", [True, False])
def test_handling_by_hand_raises_in_debug_mode(app: Quart, debug: bool) -> None:
    app.debug = debug

    @app.get("/")
    async def view() -> None:
        raise KeyError("mine")

    async def main() -> Response:
        return await app.handle_request(app.test_request_context("/").request)

    if debug:
        with pytest.raises(KeyError, match="mine"):
            driver.run(main())
    else:
        assert driver.run(main()).status_code == 500


# --- What a server says


@pytest.mark.parametrize(
    ("server_name", "host", "text"),
    [
        ("site.test", b"site.test", "main"),
        ("site.test", b"ada.site.test", "ada"),
        ("site.test:81", b"ada.site.test:81", "ada"),
        (None, b"ada.site.test", "main"),
    ],
)
def test_a_server_name_makes_rules_match_subdomains(
    app: Quart, server_name: str | None, host: bytes, text: str
) -> None:
    app.config["SERVER_NAME"] = server_name
    blueprint = Blueprint("of", __name__, subdomain="<name>")
    app.add_url_rule("/", "main", lambda: "main")
    blueprint.add_url_rule("/", "user", lambda name: name)
    app.register_blueprint(blueprint)
    assert driver.run(driver.request(app, host=host)).text == text


def test_another_host_than_the_server_name_matches_nothing(app: Quart) -> None:
    app.config["SERVER_NAME"] = "site.test"
    app.add_url_rule("/", "main", lambda: "main")
    with pytest.warns(UserWarning, match="site.test"):
        assert driver.run(driver.request(app, host=b"other.test")).status == 404


@pytest.mark.parametrize(
    ("version", "server_name", "expected"),
    [("1.0", None, ""), ("1.0", "site.test", "site.test"), ("1.1", None, "none")],
)
def test_a_request_without_a_host(
    app: Quart, version: str, server_name: str | None, expected: str
) -> None:
    app.config["SERVER_NAME"] = server_name

    @app.get("/")
    async def index() -> str:
        return request.headers.get("host", "none")

    scope = driver.scope_for("http", http_version=version)
    scope["headers"] = []
    client = driver.Client({"type": "http.request"})
    assert driver.run(driver.connect(app, scope, client)).text == expected


@pytest.mark.parametrize("version", [None, "2.0", "2.1", "2.4"])
def test_headers_that_a_server_cannot_accept_with_are_left_out(
    app: Quart, version: str | None
) -> None:
    @app.websocket("/")
    async def feed() -> None:
        await websocket.accept(headers={"X-Name": "Ada"})

    asgi = {"version": "3.0"} | ({} if version is None else {"spec_version": version})
    if version in {None, "2.0"}:
        with pytest.warns(UserWarning, match="not sent"):
            client = driver.run(driver.websocket(app, asgi=asgi))
    else:
        client = driver.run(driver.websocket(app, asgi=asgi))
    (accepted,) = client.of("accept")
    assert accepted["headers"] == ([] if version in {None, "2.0"} else [(b"x-name", b"Ada")])
