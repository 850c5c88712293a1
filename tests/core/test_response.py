"""The response: its construction, its body in every form, and conditional answers."""

from __future__ import annotations

import asyncio
import io
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.sansio.response import Response as SansIOResponse

from quart import Quart
from quart.wrappers import Request, Response
from quart.wrappers.response import DataBody, FileBody, IOBody, IterableBody, ResponseBody


async def no_push(path: str, headers: Headers) -> None:
    raise AssertionError("nothing is pushed here")


def make_request(method: str = "GET", **headers: str) -> Request:
    items = [(name.replace("_", "-"), value) for name, value in headers.items()]
    scope: Any = {"type": "http"}
    return Request(
        method, "http", "/", b"", Headers(items), "", "1.1", scope, send_push_promise=no_push
    )


async def sent(response: Response) -> bytes:
    """Return what a server would send: what entering and iterating gives, as bytes."""
    data = b""
    async with response.response as body:
        async for chunk in body:
            data += chunk.encode() if isinstance(chunk, str) else chunk
    await response.close()
    return data


# -- Construction


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"status": 404},
        {"status": 299},
        {"status": 0},
        {"status": 1234},
        {"status": HTTPStatus.CREATED},
        {"status": "404 Gone Fishing"},
        {"status": "404"},
        {"status": "Fishing"},
        {"mimetype": "application/json"},
        {"mimetype": "text/plain"},
        {"mimetype": "text/xml; charset=ascii"},
        {"content_type": "text/weird"},
        {"content_type": "text/weird", "mimetype": "text/plain"},
        {"headers": {}},
        {"headers": {"X-A": "1"}},
        {"headers": [("X-A", "1"), ("X-A", "2")], "mimetype": "text/plain"},
        {"headers": Headers({"Content-Type": "text/own"})},
        {"headers": {"content-type": "text/own"}},
        {"headers": {"content-type": "text/own"}, "mimetype": "text/plain"},
        {"headers": {"content-type": "text/own"}, "content_type": "text/other"},
    ],
)
def test_status_and_headers_are_as_werkzeug_makes_them(arguments: dict[str, Any]) -> None:
    class Reference(SansIOResponse):
        default_mimetype = "text/html"

    given = arguments.get("headers")
    theirs = Reference(**arguments)
    for _ in range(2):  # The second time from what was kept of the first.
        ours = Response(**{**arguments, "headers": Headers(given)} if given else arguments)
        assert (ours.status, ours.status_code) == (theirs.status, theirs.status_code)
        assert list(ours.headers) == list(theirs.headers)


def test_the_class_decides_defaults() -> None:
    class Plain(Response):
        default_status = 201
        default_mimetype = None
        automatically_set_content_length = False

    response = Plain("text")
    assert response.status_code == 201
    assert list(response.headers) == []


def test_given_headers_are_used_not_copied() -> None:
    headers = Headers({"X-A": "1"})
    assert Response("x", headers=headers).headers is headers


@pytest.mark.parametrize("argument", ["mimetype", "content_type"])
def test_a_line_break_cannot_get_into_a_header(argument: str) -> None:
    arguments: dict[str, Any] = {argument: "text/html\r\nX-Evil: 1"}
    for _ in range(2):
        with pytest.raises(ValueError, match="newline"):
            Response("", **arguments)


def test_an_empty_status_is_refused() -> None:
    with pytest.raises(ValueError, match="Empty status"):
        Response("", status=" ")


# -- Bodies


class Own(ResponseBody):
    async def __aenter__(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def __aexit__(self, *exc_info: Any) -> None:
        pass

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield "zwölf".encode()


async def async_chunks() -> AsyncIterator[str | bytes]:
    yield "zw"
    yield "ölf".encode()


def chunks() -> Iterator[str | bytes]:
    yield "zw"
    yield "ölf".encode()


class AsyncIterableOnly:
    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return async_chunks()


class Unseekable(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 2))


BODIES: dict[str, tuple[Callable[[], Any], type[ResponseBody], bool]] = {
    "str": (lambda: "zwölf", DataBody, False),
    "bytes": ("zwölf".encode, DataBody, False),
    "bytearray": (lambda: bytearray("zwölf".encode()), DataBody, False),
    "memoryview": (lambda: memoryview("zwölf".encode()), DataBody, False),
    "list": (lambda: ["zw", "ölf".encode()], IterableBody, False),
    "tuple": (lambda: ("zw", "ölf"), IterableBody, False),
    "set": (lambda: {"zwölf"}, IterableBody, True),
    "generator": (chunks, IterableBody, True),
    "async generator": (async_chunks, IterableBody, True),
    "async iterable": (AsyncIterableOnly, IterableBody, True),
    "BytesIO": (lambda: io.BytesIO("zwölf".encode()), IOBody, True),
    "StringIO": (lambda: io.StringIO("zwölf"), IterableBody, True),
    "unseekable": (lambda: Unseekable("zwölf".encode()), IOBody, True),
    "own": (Own, Own, True),
}
every_body = pytest.mark.parametrize("name", BODIES)


@every_body
@pytest.mark.parametrize("assigned", [False, True])
def test_every_kind_of_body(name: str, assigned: bool) -> None:
    make, body_class, streamed = BODIES[name]

    async def main() -> None:
        response = Response() if assigned else Response(make())
        if assigned:
            response.response = make()
        assert isinstance(response.response, body_class)
        assert (response.is_streamed, response.is_sequence) == (streamed, not streamed)
        assert await sent(response) == "zwölf".encode()

    asyncio.run(main())


@every_body
def test_reading_a_body_keeps_it(name: str) -> None:
    async def main() -> None:
        response = Response(BODIES[name][0]())
        assert await response.get_data() == "zwölf".encode()
        assert await response.get_data(as_text=True) == "zwölf"
        assert await response.data == "zwölf".encode()
        assert response.is_sequence
        assert await sent(response) == "zwölf".encode()

    asyncio.run(main())


@every_body
def test_the_length_is_known_or_not(name: str) -> None:
    make, _, _ = BODIES[name]
    known = name in {"str", "bytes", "bytearray", "memoryview", "list", "tuple", "BytesIO"}
    assert Response(make()).calculate_content_length() == (6 if known else None)


def test_reading_may_use_the_body_up() -> None:
    class Once(Response):
        implicit_sequence_conversion = False

    async def main() -> None:
        response = Once(async_chunks())
        assert await response.get_data() == "zwölf".encode()
        assert await response.get_data() == b""

    asyncio.run(main())


def test_a_file_is_a_body(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    async def main() -> None:
        for body in (path, FileBody(str(path)), FileBody(path, buffer_size=3)):
            response = Response(body)
            assert isinstance(response.response, FileBody)
            assert response.is_streamed
            assert response.calculate_content_length() == 10
            assert await sent(response) == b"0123456789"
        with path.open("rb") as file:
            file.seek(4)
            for stream in (file, IOBody(file, buffer_size=3)):
                assert await sent(Response(stream)) == b"0123456789"
            assert not file.closed

    asyncio.run(main())


def test_what_cannot_be_a_body_is_refused() -> None:
    with pytest.raises(TypeError, match="got int"):
        Response(5)  # type: ignore[arg-type]


def test_no_body_is_an_empty_one() -> None:
    response = Response()
    assert "Content-Length" not in response.headers
    assert response.is_sequence
    assert asyncio.run(sent(response)) == b""


def test_set_data_sets_the_length() -> None:
    async def main() -> None:
        response = Response("first")
        assert response.content_length == 5
        response.set_data("zwölf")
        assert response.content_length == 6
        response.data = b"third!!"
        assert response.headers.getlist("Content-Length") == ["7"]
        assert await response.data == b"third!!"

    asyncio.run(main())


def test_iter_encode_and_make_sequence() -> None:
    async def main() -> None:
        response = Response(chunks())
        assert [chunk async for chunk in response.iter_encode()] == [b"zw", "ölf".encode()]
        response = Response(async_chunks())
        await response.make_sequence()
        assert isinstance(response.response, DataBody)
        assert response.response.data == "zwölf".encode()

    asyncio.run(main())


def test_a_frozen_response_can_be_pickled() -> None:
    async def main() -> None:
        response = Response(async_chunks(), status=201)
        await response.freeze()
        again = pickle.loads(pickle.dumps(response))
        assert (again.status_code, again.content_length) == (201, 6)
        assert await again.get_data(as_text=True) == "zwölf"

    asyncio.run(main())


def test_json() -> None:
    async def main() -> None:
        response = Response('{"a": 1}', mimetype="application/json")
        assert await response.json == await response.get_json() == {"a": 1}
        assert await Response("[]").get_json() is None
        assert await Response("[]").get_json(force=True) == []
        broken = Response("{", mimetype="application/json")
        assert await broken.get_json(silent=True) is None
        with pytest.raises(ValueError, match="property name"):
            await broken.get_json()

    asyncio.run(main())


# -- Files are read in threads, a chunk at a time


@pytest.mark.parametrize("size", [100, 300_000])
def test_files_are_read_in_a_thread_in_chunks(size: int, tmp_path: Path) -> None:
    class Watched(io.BufferedReader):
        def read(self, size: int | None = -1) -> bytes:
            reads.append((threading.current_thread(), size))
            return super().read(size)

    reads: list[tuple[threading.Thread, int | None]] = []
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)

    async def main() -> None:
        with Watched(path.open("rb", buffering=0)) as file:
            assert len(await sent(Response(file))) == size

    asyncio.run(main())
    assert threading.current_thread() not in {thread for thread, _ in reads}
    assert max(wanted or 0 for _, wanted in reads) <= 64 * 1024


@pytest.mark.parametrize("taken", [0, 1])
def test_a_file_is_closed_when_sending_is_given_up(taken: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)

    async def main() -> None:
        body = FileBody(path, buffer_size=10)
        async with body as data:
            async for _ in data:
                break

    asyncio.run(main())  # An open file would warn, and a warning is an error.


# -- Closing


def test_closing_calls_what_was_registered() -> None:
    called = []

    async def main() -> None:
        response = Response("x")

        @response.call_on_close
        def plain() -> None:
            called.append("plain")

        @response.call_on_close
        async def asynchronous() -> None:
            called.append("async")

        assert plain.__name__ == "plain"
        await response.close()
        await response.close()

    asyncio.run(main())
    assert called == ["plain", "async"]


def test_plain_callbacks_run_in_the_worker_thread() -> None:
    threads = []

    async def main() -> None:
        response = Response("x")
        response.call_on_close(lambda: threads.append(threading.current_thread()))
        async with Quart(__name__).app_context():
            await response.close()

    asyncio.run(main())
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_all_callbacks_are_called_though_some_raise() -> None:
    def fail() -> None:
        raise KeyError("key")

    async def main() -> None:
        called = []
        response = Response("x")
        response.call_on_close(fail)
        response.call_on_close(lambda: called.append(True))
        with pytest.raises(KeyError):
            await response.close()
        assert called == [True]
        response.call_on_close(fail)
        response.call_on_close(fail)
        with pytest.raises(ExceptionGroup):
            await response.close()

    asyncio.run(main())


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_an_iterator_is_closed_however_much_was_taken(kind: str, taken: int) -> None:
    log = []

    def plain() -> Iterator[str]:
        try:
            yield "1"
            yield "2"
        finally:
            log.append("closed")

    async def asynchronous() -> AsyncIterator[str]:
        try:
            yield "1"
            yield "2"
        finally:
            log.append("closed")

    async def main() -> None:
        iterator: Any = plain() if kind == "plain" else asynchronous()
        response = Response(iterator)
        async with response.response as body:
            async for _ in body:
                if (taken := limit[0] - 1) <= 0:
                    break
                limit[0] = taken
        await response.close()
        finished = iterator.gi_frame if kind == "plain" else iterator.ag_frame
        assert finished is None

    limit = [taken]
    asyncio.run(main())
    assert log == ["closed"]


def test_closing_closes_an_iterable_that_was_never_sent() -> None:
    class Closable:
        closed = 0

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def close(self) -> None:
            self.closed += 1

    async def main() -> None:
        closable = Closable()
        await Response(closable).close()
        assert closable.closed == 1

    asyncio.run(main())


def test_a_plain_iterable_is_told_from_the_others() -> None:
    steps = chunks()
    assert IterableBody(steps).plain_iterable is steps
    assert IterableBody(["a"]).plain_iterable is None
    assert IterableBody(async_chunks()).plain_iterable is None


# -- Settings


def test_push_promises_timeout_and_cookie_size() -> None:
    response = Response("x")
    assert response.timeout is Ellipsis
    assert response.push_promises == set()
    response.push_promises.add("/style.css")
    assert response.push_promises == {"/style.css"}
    assert Response("y").push_promises == set()
    assert response.max_cookie_size == 4093

    async def main() -> None:
        app = Quart(__name__)
        app.config["MAX_COOKIE_SIZE"] = 10
        async with app.app_context():
            assert response.max_cookie_size == 10
            with pytest.warns(UserWarning, match="too large"):
                response.set_cookie("name", "x" * 20)

    asyncio.run(main())


# -- Conditional answers


def test_etag() -> None:
    async def main() -> None:
        response = Response("x")
        await response.add_etag()
        first = response.get_etag()
        response.set_data("y")
        await response.add_etag()
        assert response.get_etag() == first
        await response.add_etag(overwrite=True, weak=True)
        assert response.get_etag() != first
        assert response.get_etag()[1] is True

    asyncio.run(main())


def make_sized(kind: str, tmp_path: Path) -> Any:
    data = b"0123456789"
    path = tmp_path / "file"
    path.write_bytes(data)
    return {
        "data": data,
        "iterable": [data[:5], data[5:]],
        "file": FileBody(path, buffer_size=3),
        "small file": FileBody(path),
        "io": io.BytesIO(data),
    }[kind]


@pytest.mark.parametrize(
    ("wanted", "content", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-30", b"89", "bytes 8-9/10"),
    ],
)
@pytest.mark.parametrize("kind", ["data", "iterable", "file", "small file", "io"])
def test_a_part_of_the_body(
    kind: str, wanted: str, content: bytes, content_range: str, tmp_path: Path
) -> None:
    async def main() -> None:
        response = Response(make_sized(kind, tmp_path))
        request = make_request(Range=wanted)
        assert await response.make_conditional(request, True, 10) is response
        assert response.status_code == 206
        assert response.content_length == len(content)
        assert response.accept_ranges == "bytes"
        assert response.headers["Content-Range"] == content_range
        assert await sent(response) == content
        assert await response.get_data() == content

    asyncio.run(main())


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=0-1,3-4", "lines=0-1", "bytes=x"])
@pytest.mark.parametrize("kind", ["data", "file", "io"])
def test_a_part_that_there_is_not(kind: str, wanted: str, tmp_path: Path) -> None:
    async def main() -> None:
        response = Response(make_sized(kind, tmp_path))
        with pytest.raises(RequestedRangeNotSatisfiable) as caught:
            await response.make_conditional(make_request(Range=wanted), True, 10)
        assert ("Content-Range", "bytes */10") in caught.value.get_headers()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "accept_ranges", "complete_length", "if_range"),
    [
        ("POST", True, 10, ""),
        ("GET", True, None, ""),
        ("GET", False, None, ""),
        ("GET", True, 0, ""),
        ("GET", True, 10, '"other"'),
    ],
)
def test_all_of_it_where_a_part_is_not_possible(
    method: str, accept_ranges: bool, complete_length: int | None, if_range: str
) -> None:
    async def main() -> None:
        response = Response("0123456789")
        response.set_etag("tag")
        headers = {"If_Range": if_range} if if_range else {}
        request = make_request(method, Range="bytes=0-3", **headers)
        await response.make_conditional(request, accept_ranges, complete_length)
        assert response.status_code == 200
        assert await sent(response) == b"0123456789"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=0-3", 206), ("bytes=0-666", 206), ("bytes=12-16", 416), ("bytes=0-1,3-5", 416)],
)
def test_a_length_is_enough_for_a_part(wanted: str, status: int) -> None:
    async def main() -> int:
        response = Response("0123456789")
        try:
            await response.make_conditional(make_request(Range=wanted), complete_length=10)
        except RequestedRangeNotSatisfiable as error:
            return error.code
        return response.status_code

    assert asyncio.run(main()) == status


def test_a_part_of_the_version_that_the_client_has() -> None:
    async def main() -> None:
        response = Response("0123456789")
        response.set_etag("tag")
        request = make_request(Range="bytes=0-3", If_Range='"tag"')
        await response.make_conditional(request, "bytes", 10)
        assert response.status_code == 206

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": '"tag"'}, 304),
        ({"If_None_Match": 'W/"tag"'}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_Match": '"other"'}, 412),
        ({"If_Match": '"tag"'}, 200),
        ({"If_Modified_Since": "Wed, 01 Jan 2020 00:00:00 GMT"}, 304),
        ({"If_Modified_Since": "Tue, 31 Dec 2019 00:00:00 GMT"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_validators(method: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        response = Response("body")
        response.set_etag("tag")
        response.headers["Last-Modified"] = "Wed, 01 Jan 2020 00:00:00 GMT"
        await response.make_conditional(make_request(method, **headers))
        assert response.status_code == (200 if method == "POST" else status)
        if response.status_code == 304:
            assert "Content-Length" not in response.headers
            assert await sent(response) == b""

    asyncio.run(main())


def test_an_iterator_that_need_not_be_sent_is_closed() -> None:
    async def main() -> None:
        iterator = async_chunks()
        response = Response(iterator)
        response.set_etag("tag")
        await response.make_conditional(make_request(If_None_Match='"tag"'))
        await response.close()
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)

    asyncio.run(main())


# Setters that a subclass overrides


class Setting(Response):
    """A response whose properties note what is assigned to them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.assigned: list[Any] = []
        super().__init__(*args, **kwargs)

    @property
    def status_code(self) -> int:
        return SansIOResponse.status_code.fget(self)  # type: ignore[attr-defined, no-any-return]  # a property has it

    @status_code.setter
    def status_code(self, value: int) -> None:
        self.assigned.append(value)
        SansIOResponse.status_code.fset(self, value)  # type: ignore[attr-defined]  # as above

    @property
    def status(self) -> str:
        return SansIOResponse.status.fget(self)  # type: ignore[attr-defined, no-any-return]  # as above

    @status.setter
    def status(self, value: Any) -> None:
        self.assigned.append(value)
        SansIOResponse.status.fset(self, value)  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("body", ["text", b"bytes", None, ["a", "b"]])
@pytest.mark.parametrize("status", [None, 404, "418 X"])
def test_its_constructor_assigns_through_setters(status: Any, body: Any) -> None:
    for _ in range(2):
        assert Setting(body, status).assigned == [200 if status is None else status]
