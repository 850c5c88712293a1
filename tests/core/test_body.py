"""The body of a request: how bytes arrive, are counted and are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from quart.wrappers import Body, ClientDisconnectedError
from quart.wrappers._body import within


class Client:
    """What a server brings: ASGI messages, each counted when it is asked for."""

    def __init__(self, *chunks: bytes, ends: str = "complete") -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        if ends == "complete":
            self.messages.append({"type": "http.request"})
        elif ends == "disconnect":
            self.messages.append({"type": "http.disconnect"})
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if not self.messages:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return self.messages.pop(0)


def pulled(client: Client, expected: int | None = None, limit: int | None = None) -> Body:
    body = Body(expected, limit)
    body.receive_from(client.receive)
    return body


async def read_by_awaiting(body: Body) -> bytes:
    return await body


async def read_by_iterating(body: Body) -> bytes:
    return b"".join([chunk async for chunk in body])


async def read_by_chunks(body: Body) -> bytes:
    data = b""
    while chunk := await body.read_chunk():
        data += chunk
    return data


async def read_by_get(body: Body) -> bytes:
    data = b""
    while chunk := await body.get():
        data += chunk
    return data


READERS = [read_by_awaiting, read_by_iterating, read_by_chunks, read_by_get]
every_reader = pytest.mark.parametrize("read", READERS)
Reader = Callable[[Body], Awaitable[bytes]]


async def failure(awaitable: Awaitable[Any]) -> BaseException | None:
    try:
        await awaitable
    except Exception as error:
        return error
    return None


@every_reader
def test_all_bytes_are_read_on_demand(read: Reader) -> None:
    async def main() -> None:
        client = Client(b"one", b"", b"two")
        body = pulled(client)
        assert (client.asked, body.complete) == (0, False)
        assert await read(body) == b"onetwo"
        assert (client.asked, body.complete) == (4, True)
        assert await body.read_chunk() in (b"", b"onetwo")
        assert client.asked == 4

    asyncio.run(main())


@every_reader
def test_pushed_bytes_are_waited_for(read: Reader) -> None:
    async def main() -> None:
        body = Body(None, None)
        reader = asyncio.ensure_future(read(body))
        for chunk in (b"one", b"", b"two"):
            await asyncio.sleep(0)
            await body.put(chunk)
        body.set_complete()
        assert await reader == b"onetwo"

    asyncio.run(main())


def test_awaiting_again_gives_the_same_and_iterating_gives_it_once() -> None:
    async def main() -> None:
        body = pulled(Client(b"one", b"two"))
        assert await body == await body == b"onetwo"
        assert await read_by_iterating(body) == b"onetwo"
        assert await read_by_iterating(body) == b""

    asyncio.run(main())


def test_what_iterating_took_is_gone() -> None:
    async def main() -> None:
        body = pulled(Client(b"one", b"two", b"three"))
        assert await body.read_chunk() == b"one"
        assert await body == b"twothree"

    asyncio.run(main())


def test_clear_forgets() -> None:
    async def main() -> None:
        body = Body(None, None)
        body.set_result(b"data")
        assert await body == b"data"
        body.clear()
        assert await body == b""

    asyncio.run(main())


@every_reader
@pytest.mark.parametrize("expected", [None, 8])
def test_the_limit_counts_what_arrived(read: Reader, expected: int | None) -> None:
    async def main() -> None:
        client = Client(*[b"1234"] * 1000)
        assert isinstance(await failure(read(pulled(client, expected, 10))), RequestEntityTooLarge)
        assert client.asked == 3

    asyncio.run(main())


@every_reader
def test_a_body_as_long_as_the_limit_is_read(read: Reader) -> None:
    assert asyncio.run(read_all(read, Client(b"12345", b"67890"), 10)) == b"1234567890"


async def read_all(read: Reader, client: Client, limit: int) -> bytes:
    return await read(pulled(client, limit, limit))


@every_reader
def test_a_content_length_above_the_limit_is_refused_unread(read: Reader) -> None:
    async def main() -> None:
        client = Client(b"12")
        body = pulled(client, 11, 10)
        for _ in range(2):
            assert isinstance(await failure(read(body)), RequestEntityTooLarge)
        assert client.asked == 0
        body.max_content_length = 11
        assert await read(body) == b"12"

    asyncio.run(main())


def test_pushed_bytes_above_the_limit_are_not_kept() -> None:
    async def main() -> None:
        body = Body(None, 10)
        for _ in range(1000):
            body.append(b"1234")
        assert sum(map(len, body._chunks)) <= 10
        assert isinstance(await failure(read_by_awaiting(body)), RequestEntityTooLarge)

    asyncio.run(main())


@every_reader
def test_a_disconnect_before_the_end_raises(read: Reader) -> None:
    async def main() -> None:
        error = await failure(read(pulled(Client(b"one", ends="disconnect"))))
        assert isinstance(error, ClientDisconnectedError)
        assert isinstance(error, ClientDisconnected)

    asyncio.run(main())


@every_reader
def test_a_pushed_disconnect_reaches_who_waits(read: Reader) -> None:
    async def main() -> None:
        body = Body(None, None)
        reader = asyncio.ensure_future(read(body))
        await asyncio.sleep(0)
        body.disconnect()
        assert isinstance(await failure(reader), ClientDisconnectedError)

    asyncio.run(main())


@every_reader
def test_a_disconnect_after_the_end_does_not_matter(read: Reader) -> None:
    async def main() -> bytes:
        body = Body(None, None)
        body.set_result(b"data")
        body.disconnect()
        return await read(body)

    assert asyncio.run(main()) == b"data"


def test_two_readers_share_one_receive() -> None:
    async def main() -> None:
        body = pulled(Client(b"one", b"two"))
        first, second = await asyncio.gather(read_by_awaiting(body), read_by_awaiting(body))
        assert first == second == b"onetwo"

    asyncio.run(main())


def test_a_cancelled_reader_leaves_the_body_to_the_other() -> None:
    async def main() -> None:
        client = Client(ends="never")
        body = pulled(client)
        first = asyncio.ensure_future(read_by_awaiting(body))
        second = asyncio.ensure_future(read_by_awaiting(body))
        await asyncio.sleep(0)
        client.messages.extend(Client(b"data").messages)
        first.cancel()
        assert await second == b"data"

    asyncio.run(main())


def test_within_returns_and_raises_what_the_awaitable_does() -> None:
    async def answer(value: Any, turns: int) -> Any:
        for _ in range(turns):
            await asyncio.sleep(0)
        if isinstance(value, Exception):
            raise value
        return value

    async def main() -> None:
        for seconds in (None, 5):
            for turns in (0, 1, 3):
                assert await within(seconds, answer("value", turns)) == "value"
                with pytest.raises(KeyError):
                    await within(seconds, answer(KeyError("key"), turns))

    asyncio.run(main())


def test_within_raises_in_time_and_lets_the_awaitable_clean_up() -> None:
    async def main() -> None:
        cleaned = []

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(True)

        with pytest.raises(TimeoutError):
            await within(0.001, wait())
        assert cleaned == [True]

    asyncio.run(main())


def test_within_passes_a_cancellation_on() -> None:
    async def main() -> None:
        task = asyncio.ensure_future(within(60, asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_the_same_under_trio() -> None:
    trio = pytest.importorskip("trio")

    async def receive() -> dict[str, Any]:
        await trio.sleep(0)
        return {"type": "http.request", "body": b"data"}

    async def main() -> None:
        body = Body(None, None)
        body.receive_from(receive)
        assert await within(60, body) == b"data"
        with pytest.raises(TimeoutError):
            await within(0.001, trio.sleep_forever())
        with trio.move_on_after(0.001) as scope:
            await within(60, trio.sleep_forever())
        assert scope.cancelled_caught

    trio.run(main)
