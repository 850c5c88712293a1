"""Bodies as a server brings them: in one message or several, at once or later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from quart import Quart
from quart.formparser import FormDataParser
from quart.wrappers import Body, ClientDisconnectedError, Request

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def message(body: bytes | None, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


class Server:
    """Brings *messages*, each after *turns* of the event loop, and nothing more after the last."""

    def __init__(self, *messages: dict[str, Any], turns: int = 0) -> None:
        self.messages, self.turns, self.asked = list(messages), turns, 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)


def request_from(
    server: Server, content_type: str = JSON, cls: type[Request] = Request, **options: Any
) -> Request:
    headers = Headers({"content-type": content_type, **options.pop("headers", {})})
    handshake: Any = ("POST", "http", "/", b"", headers, "", "1.1", {})
    request = cls(*handshake, send_push_promise=None, **options)  # type: ignore[arg-type]
    request.receive_from(server.receive)
    return request


SERVERS: dict[str, Callable[[bytes], Server]] = {
    "one message": lambda data: Server(message(data)),
    "one message, later": lambda data: Server(message(data), turns=2),
    "two messages": lambda data: Server(message(data[:2], True), message(data[2:])),
    "two messages, later": lambda data: Server(message(data[:2], True), message(data[2:]), turns=2),
    "its end apart": lambda data: Server(message(data, True), {"type": "http.request"}),
}
every_server = pytest.mark.parametrize("serve", SERVERS.values(), ids=SERVERS)


@every_server
@pytest.mark.parametrize("timeout", [None, 10])
def test_each_way_to_read_leaves_the_others(
    serve: Callable[[bytes], Server], timeout: float | None
) -> None:
    async def main() -> None:
        request = request_from(serve(b'{"a": 1}'), body_timeout=timeout)
        assert await request.get_json() == {"a": 1}
        assert await request.get_data() == b'{"a": 1}'
        assert await request.body == b'{"a": 1}'
        assert b"".join([chunk async for chunk in request.body]) == b'{"a": 1}'

        request = request_from(serve(b"a=1&b=2"), FORM, body_timeout=timeout)
        assert (await request.form).to_dict() == {"a": "1", "b": "2"}
        assert not await request.files
        assert await request.get_data() == b"a=1&b=2"
        assert [chunk async for chunk in await request.stream] == [b"a=1&b=2"]

        request = request_from(serve(b"a=1&b=2"), FORM, body_timeout=timeout)
        assert await request.get_data(cache=False) == b"a=1&b=2"
        assert await request.get_data() == b""
        assert not await request.form

    asyncio.run(main())


@every_server
def test_several_tasks_read_at_once(serve: Callable[[bytes], Server]) -> None:
    async def main() -> None:
        request = request_from(serve(b"a=1&b=2"), FORM)

        async def form() -> Any:
            return await request.form

        first, data, body, second = await asyncio.gather(
            form(), request.get_data(), request.body._read_all(), form()
        )
        assert first is second
        assert first.to_dict() == {"a": "1", "b": "2"}
        assert data == body == b"a=1&b=2"

    asyncio.run(main())


def test_a_body_is_received_once() -> None:
    async def main() -> None:
        server = Server(message(b"abc"))
        request = request_from(server)
        for _ in range(2):
            await request.get_data()
            await request.body
        assert server.asked == 1

    asyncio.run(main())


@pytest.mark.parametrize("body", [b"", None])
def test_a_body_without_bytes(body: bytes | None) -> None:
    async def main() -> None:
        assert await request_from(Server(message(body))).get_data() == b""
        assert not await request_from(Server(message(body)), FORM).form

    asyncio.run(main())


READS: dict[str, Callable[[Request], Any]] = {
    "data": lambda request: request.get_data(),
    "form": lambda request: request.form,
}
every_read = pytest.mark.parametrize("read", READS.values(), ids=READS)


@every_read
@pytest.mark.parametrize("turns", [0, 2])
@pytest.mark.parametrize("announced", [False, True])
def test_the_limit_holds_for_a_single_message(
    read: Callable[[Request], Any], turns: int, announced: bool
) -> None:
    async def main() -> None:
        headers = {"content-length": "5"} if announced else {}
        for limit in (5, None):
            server = Server(message(b"a=bcd"), turns=turns)
            request = request_from(server, FORM, headers=headers)
            request.max_content_length = limit
            await read(request)
        server = Server(message(b"a=bcd"), turns=turns)
        request = request_from(server, FORM, headers=headers, max_content_length=4)
        for _ in range(2):
            with pytest.raises(RequestEntityTooLarge):
                await read(request)
        # What is announced as too long is not even received.
        assert server.asked == (0 if announced else 1)

    asyncio.run(main())


@every_read
def test_the_configured_limit_holds(read: Callable[[Request], Any]) -> None:
    async def main() -> None:
        app = Quart(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 4
        async with app.app_context():
            with pytest.raises(RequestEntityTooLarge):
                await read(request_from(Server(message(b"a=bcd")), FORM))

    asyncio.run(main())


@every_read
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("turns", [0, 2])
def test_a_client_that_leaves(read: Callable[[Request], Any], begun: bool, turns: int) -> None:
    async def main() -> None:
        start = [message(b"a=", True)] if begun else []
        server = Server(*start, {"type": "http.disconnect"}, turns=turns)
        request = request_from(server, FORM)
        for _ in range(2):
            with pytest.raises(ClientDisconnectedError):
                await read(request)

    asyncio.run(main())


@every_read
@pytest.mark.parametrize("begun", [False, True])
def test_a_body_that_does_not_come(read: Callable[[Request], Any], begun: bool) -> None:
    async def main() -> None:
        start = [message(b"a=", True)] if begun else []
        server = Server(*start)
        request = request_from(server, FORM, body_timeout=0.01)
        with pytest.raises(RequestTimeout):
            await read(request)
        # A view that is told may ask again, and then it may come.
        server.messages.append(message(b"b=1"))
        assert await request.get_data() == (b"a=b=1" if begun else b"b=1")

    asyncio.run(main())


@every_read
def test_what_receiving_raises(read: Callable[[Request], Any]) -> None:
    class Broken(Server):
        async def receive(self) -> dict[str, Any]:
            raise OSError("gone")

    async def main() -> None:
        with pytest.raises(OSError, match="gone"):
            await read(request_from(Broken(), FORM))

    asyncio.run(main())


# -- What a subclass changes


def read_form(request: Request) -> Any:
    async def main() -> Any:
        return (await request.form).to_dict(), await request.get_data()

    return asyncio.run(main())


class UpperBody(Body):
    async def _read_all(self) -> bytes:
        return (await super()._read_all()).upper()


class WithBodyClass(Request):
    body_class = UpperBody


class WithBody(Request):
    @property
    def body(self) -> Body:
        body = UpperBody(None, None)
        body.set_result(b"a=b")
        return body

    @body.setter
    def body(self, value: Body) -> None:
        raise AssertionError("not set here")


@pytest.mark.parametrize("cls", [WithBodyClass, WithBody])
def test_another_body_is_asked(cls: type[Request]) -> None:
    assert read_form(request_from(Server(message(b"a=b")), FORM, cls)) == ({"A": "B"}, b"A=B")


class Silly(FormDataParser):
    async def parse(self, body: Body, *args: Any) -> Any:
        await body
        return self.cls([("parsed by", "another")]), self.cls()


class WithParserClass(Request):
    form_data_parser_class = Silly


class WithMadeParser(Request):
    def make_form_data_parser(self) -> FormDataParser:
        return Silly(cls=self.parameter_storage_class)


@pytest.mark.parametrize("cls", [WithParserClass, WithMadeParser])
def test_another_parser_is_asked(cls: type[Request]) -> None:
    form = {"parsed by": "another"}
    assert read_form(request_from(Server(message(b"a=b")), FORM, cls)) == (form, b"a=b")


@pytest.mark.parametrize("name", ["parse", "parse_functions", "form_data_parser_class"])
def test_a_parser_that_is_replaced_later_is_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_from(Server(message(b"a=b")), FORM)

    async def parse(parser: Any, body: Body, *args: Any) -> Any:
        await body
        return parser.cls([("parsed by", "another")]), parser.cls()

    if name == "parse":
        monkeypatch.setattr(FormDataParser, "parse", parse)
    elif name == "parse_functions":
        monkeypatch.setitem(FormDataParser.parse_functions, FORM, parse)
    else:
        request.form_data_parser_class = Silly
    assert read_form(request) == ({"parsed by": "another"}, b"a=b")


# -- Fields

FORMS = [
    b"a=1&b=2",
    b"a=1&a=2&a=",
    b"",
    b"&&a=1&&",
    b"a",
    b"=",
    b"=1",
    b"a==1=",
    b"a+b=c+d",
    b"a%2Bb=c%20d&e=%26%3D",
    b"%C3%A4=%E2%98%83",
    b"a=%ff%C3",
    b"a=%",
    b"a=%2",
    b"a=%zz+",
    "ä=☃".encode(),
    "ä=%E2%98%83+☃".encode(),
    b"a;b=c;d",
    b"\xff=a&b=c",
]


@pytest.mark.parametrize("body", FORMS)
def test_fields_are_what_werkzeug_makes_of_them(body: bytes) -> None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        expected = []
    else:
        expected = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")

    async def main() -> None:
        for cls in (Request, WithMadeStockParser):
            form = await request_from(Server(message(body)), FORM, cls).form
            assert list(form.items(multi=True)) == expected

    asyncio.run(main())


class WithMadeStockParser(Request):
    def make_form_data_parser(self) -> FormDataParser:
        return super().make_form_data_parser()
