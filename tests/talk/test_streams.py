"""Bodies that take their time: an upload under a timeout, and events from the server."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from quart import abort, make_response, Quart, request
from quart.wrappers import Response

from ._program import browsing, PATIENCE, serving

# --- A streamed request --------------------------------------------------------------------------


def make_uploads() -> Quart:
    app = Quart(__name__)

    @app.post("/file")
    async def upload() -> dict[str, int]:
        pieces = length = 0
        try:
            async with asyncio.timeout(0.5):
                async for data in request.body:
                    pieces += 1
                    length += len(data)
        except TimeoutError:
            abort(408, f"too slow after {length} bytes")
        return {"pieces": pieces, "length": length}

    @app.post("/whole")
    async def whole() -> str:
        return str(len(await request.get_data()))

    return app


def test_an_upload_in_pieces() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 10_000
            await asyncio.sleep(0.01)  # Or the server might join them.

    async def main() -> None:
        async with browsing(make_uploads()) as client:
            answer = await client.post("/file", content=pieces())
            assert answer.status_code == 200
            assert answer.json()["length"] == 50_000
            assert answer.json()["pieces"] > 1
            # The next request on the same connection finds nothing of this one.
            assert (await client.post("/file", content=b"")).json()["length"] == 0

    asyncio.run(main())


async def send_slowly(port: int, path: str) -> httpx.Response:
    """Send the beginning of a body, and wait for the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"3\r\nabc\r\n")
    async with asyncio.timeout(PATIENCE):
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = answer.strip().split("\r\n")
        headers = httpx.Headers([tuple(line.split(": ", 1)) for line in lines])
        body = await reader.readexactly(int(headers["Content-Length"]))
    writer.close()
    await writer.wait_closed()
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


@pytest.mark.parametrize("own_answer", [False, True])
def test_a_slow_client_is_told(own_answer: bool) -> None:
    app = make_uploads()
    if own_answer:

        @app.errorhandler(408)
        async def slow(error: object) -> tuple[dict[str, str], int]:
            return {"error": str(error)}, 408

    async def main() -> None:
        async with serving(app) as port:
            answer = await send_slowly(port, "/file")
        assert answer.status_code == 408
        assert "too slow after 3 bytes" in answer.text
        assert answer.headers["Content-Type"].startswith("application/json") is own_answer

    asyncio.run(main())


def test_the_configured_timeout_of_a_body() -> None:
    app = make_uploads()
    app.config["BODY_TIMEOUT"] = 0.3

    async def main() -> None:
        async with serving(app) as port:
            assert (await send_slowly(port, "/whole")).status_code == 408

    asyncio.run(main())


# --- Server-sent events --------------------------------------------------------------------------


@dataclass
class ServerSentEvent:
    data: str
    event: str | None = None
    id: int | None = None

    def encode(self) -> bytes:
        lines = [f"data: {line}" for line in self.data.splitlines()]
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        return "\n".join([*lines, "", ""]).encode()


class Chat:
    """An application where each posted message goes to all that follow the events."""

    def __init__(self, timeout: float | None) -> None:
        self.app = Quart(__name__)
        # What the response's own attribute is there to outlast.
        self.app.config["RESPONSE_TIMEOUT"] = 0.3
        self.timeout = timeout
        self.queues: set[asyncio.Queue[str]] = set()
        self.left = asyncio.Event()
        self.app.add_url_rule("/", view_func=self.say, methods=["POST"])
        self.app.add_url_rule("/sse", view_func=self.follow)

    async def say(self) -> dict[str, bool]:
        for queue in self.queues:
            await queue.put((await request.get_json())["message"])
        return {"accepted": True}

    async def follow(self) -> Response:
        if "text/event-stream" not in request.accept_mimetypes:
            abort(400)

        async def send_events() -> AsyncIterator[bytes]:
            queue: asyncio.Queue[str] = asyncio.Queue()
            self.queues.add(queue)
            try:
                yield b": welcome\n\n"
                number = 0
                while True:
                    number += 1
                    yield ServerSentEvent(await queue.get(), "said", number).encode()
            finally:
                self.queues.discard(queue)
                self.left.set()

        response = await make_response(
            send_events(),
            {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"},
        )
        assert isinstance(response, Response)
        response.timeout = self.timeout
        return response


ACCEPT = {"Accept": "text/event-stream"}


def test_server_sent_events() -> None:
    chat = Chat(timeout=None)

    async def main() -> None:
        async with browsing(chat.app) as client:
            assert (await client.get("/sse", headers={"Accept": "text/html"})).status_code == 400
            async with client.stream("GET", "/sse", headers=ACCEPT) as stream:
                assert stream.headers["Content-Type"] == "text/event-stream"
                lines = stream.aiter_lines()
                assert [await anext(lines), await anext(lines)] == [": welcome", ""]
                # Longer than RESPONSE_TIMEOUT.
                await asyncio.sleep(0.5)
                for number, text in enumerate(["hello", "two\nlines", "🎉"], start=1):
                    message = json.dumps({"message": text}).encode()
                    headers = {"Content-Type": "application/json"}
                    assert (await client.post("/", content=message, headers=headers)).is_success
                    expected = ServerSentEvent(text, "said", number).encode().decode()
                    got = [await anext(lines) for _ in range(expected.count("\n"))]
                    assert got == expected.split("\n")[:-1]
            async with asyncio.timeout(PATIENCE):
                await chat.left.wait()
            assert not chat.queues

    asyncio.run(main())


def test_without_it_a_stream_ends_by_the_configured_timeout() -> None:
    chat = Chat(timeout=0.3)

    async def main() -> None:
        async with browsing(chat.app) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/sse", headers=ACCEPT)
            assert chat.left.is_set()

    asyncio.run(main())
