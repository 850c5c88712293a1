"""The websocket's legal moves and its messages, without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypercorn.typing import WebsocketScope
from werkzeug.datastructures import Headers

from quart import Quart
from quart._loops import turns as _turns
from quart.signals import websocket_received, websocket_sent
from quart.wrappers import ClientDisconnectedError, Websocket
from quart.wrappers.websocket import Buffer, MOVES, State


class Client:
    """The other side: what it was sent, and what it sends."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.messages = [{"type": "websocket.connect"}, *messages]
        scope: Any = {"type": "websocket", "client": None}
        self.websocket = Websocket(
            "/path",
            b"a=1",
            "ws",
            Headers({"Host": "example.test"}),
            "",
            "1.1",
            ["chat", "log"],
            self.send,
            self.accept,
            self.close,
            scope,
        )
        self.websocket.receive_from(self.receive)

    async def send(self, data: str | bytes) -> None:
        self.log.append(("send", data))

    async def accept(self, headers: Headers, subprotocol: str | None) -> None:
        await asyncio.sleep(0)
        self.log.append(("accept", dict(headers), subprotocol))

    async def close(self, code: int, reason: str) -> None:
        self.log.append(("close", code, reason))

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0)


def text(data: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": data}


GONE = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}
ACCEPT: tuple[Any, ...] = ("accept", {}, None)


async def do(websocket: Websocket, move: str) -> None:
    if move == "disconnect":
        websocket.disconnected(1001, "bye")
    elif move == "deny":
        websocket.move("deny")
    elif move == "send":
        await websocket.send("data")
    else:
        await getattr(websocket, move)()


def test_the_handshake() -> None:
    websocket = Client().websocket
    assert websocket.method == "GET"
    assert websocket.requested_subprotocols == ["chat", "log"]
    assert websocket.url == "ws://example.test/path?a=1"
    assert websocket.state is State.CONNECTING
    assert websocket.accepted is False


@pytest.mark.parametrize("move", ["receive", "send"])
def test_receiving_and_sending_accept(move: str) -> None:
    client = Client(text("data"))
    asyncio.run(do(client.websocket, move))
    assert client.log[0] == ACCEPT
    assert client.websocket.state is State.OPEN
    assert client.websocket.accepted


def test_accepting_is_done_once_and_with_what_was_given() -> None:
    async def main() -> None:
        client = Client()
        await client.websocket.accept({"X-A": "1"}, "chat")
        await client.websocket.accept()
        await client.websocket.send("data")
        assert client.log == [("accept", {"X-A": "1"}, "chat"), ("send", "data")]
        with pytest.raises(RuntimeError, match="while the websocket is open"):
            await client.websocket.accept(subprotocol="log")

    asyncio.run(main())


def test_two_tasks_wait_for_the_same_acceptance() -> None:
    async def main() -> None:
        client = Client(text("in"))
        websocket = client.websocket
        await asyncio.gather(websocket.send("out"), websocket.receive(), websocket.send("more"))
        assert client.log == [ACCEPT, ("send", "out"), ("send", "more")]

    asyncio.run(main())


EVERY_MOVE = ["accept", "receive", "send", "close", "deny", "disconnect"]
HOW_TO_REACH = {
    State.CONNECTING: [],
    State.OPEN: ["accept"],
    State.CLOSED: ["accept", "close"],
    State.DENIED: ["deny"],
    State.DISCONNECTED: ["accept", "disconnect"],
}


@pytest.mark.parametrize("move", EVERY_MOVE)
@pytest.mark.parametrize("state", State)
def test_every_move_in_every_state(state: State, move: str) -> None:
    async def main() -> None:
        client = Client(text("data"))
        for step in HOW_TO_REACH[state]:
            await do(client.websocket, step)
        assert client.websocket.state is state
        client.log.clear()
        implicit = state is State.CONNECTING and move in {"receive", "send"}
        if implicit or move in MOVES[state]:
            await do(client.websocket, move)
            expected = State.OPEN if implicit else MOVES[state][move]
            assert client.websocket.state is expected
            return
        error = ClientDisconnectedError if state is State.DISCONNECTED else RuntimeError
        with pytest.raises(error) as caught:
            await do(client.websocket, move)
        if error is RuntimeError:
            assert str(caught.value).startswith(f"Cannot {move} while the websocket is ")
        assert client.websocket.state is state
        assert client.log == []

    asyncio.run(main())


def test_closing_what_has_ended_sends_nothing() -> None:
    async def main() -> None:
        client = Client()
        await client.websocket.close(1000, "done")
        await client.websocket.close(1000)
        assert client.log == [("close", 1000, "done")]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"text": "data"}, "data"),
        ({"text": ""}, ""),
        ({"text": "", "bytes": None}, ""),
        ({"bytes": b"data"}, b"data"),
        ({"bytes": b""}, b""),
        ({"bytes": b"", "text": None}, b""),
    ],
)
def test_messages_keep_their_type_though_empty(
    message: dict[str, Any], expected: str | bytes
) -> None:
    client = Client({"type": "websocket.receive", **message})
    received = asyncio.run(client.websocket.receive())
    assert (type(received), received) == (type(expected), expected)


@pytest.mark.parametrize("data", ["", "data", b"", b"data"])
def test_what_is_sent_keeps_its_type(data: str | bytes) -> None:
    client = Client()
    asyncio.run(client.websocket.send(data))
    assert client.log == [ACCEPT, ("send", data)]


@pytest.mark.parametrize("data", [None, 5, {"a": 1}])
def test_only_text_and_bytes_are_sent(data: Any) -> None:
    client = Client()
    with pytest.raises(TypeError, match="send_json"):
        asyncio.run(client.websocket.send(data))
    assert client.log == []


def test_a_client_that_leaves() -> None:
    async def main() -> None:
        client = Client(text("last"), GONE)
        websocket = client.websocket
        assert await websocket.receive() == "last"
        for move in ("receive", "receive", "send"):
            with pytest.raises(ClientDisconnectedError) as caught:
                await do(websocket, move)
            assert (caught.value.close_code, caught.value.reason) == (1001, "bye")
        assert (websocket.close_code, websocket.close_reason) == (1001, "bye")
        await websocket.close(1000)
        assert client.log == [ACCEPT]

    asyncio.run(main())


def test_json() -> None:
    async def main() -> None:
        client = Client(text('{"a": [1]}'))
        websocket = client.websocket
        async with Quart(__name__).app_context():
            assert await websocket.receive_json() == {"a": [1]}
            await websocket.send_json({"b": 2})
            await websocket.send_json(1, 2)
            await websocket.send_json(c=3)
            with pytest.raises(TypeError, match="positional or keyword"):
                await websocket.send_json(1, c=3)
        assert [json.loads(data) for _, data in client.log[1:]] == [{"b": 2}, [1, 2], {"c": 3}]

    asyncio.run(main())


def test_a_handler_that_only_sends_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_turns, "SLICE", 0)

    async def main() -> None:
        client = Client()
        await client.websocket.accept()
        turns: list[int] = []

        async def other() -> None:
            while len(turns) < 3:
                turns.append(len(client.log))
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        for _ in range(100):
            await client.websocket.send("data")
        assert len(turns) == 3
        await task

    asyncio.run(main())


def test_signals() -> None:
    seen = []

    def on_received(app: Quart, data: Any) -> None:
        seen.append(("received", data))

    async def on_sent(app: Quart, data: Any) -> None:
        seen.append(("sent", data))

    async def main() -> None:
        client = Client(text("in"), text("in"))
        async with Quart(__name__).app_context():
            with (
                websocket_received.connected_to(on_received),
                websocket_sent.connected_to(on_sent),
            ):
                await client.websocket.receive()
                await client.websocket.send("out")
            await client.websocket.receive()

    asyncio.run(main())
    assert seen == [("received", "in"), ("sent", "out")]


# -- Messages that are pushed


def make_pushed() -> Websocket:
    client = Client()
    websocket = client.websocket
    websocket._receive = None
    return websocket


def test_pushed_messages_are_received_in_order() -> None:
    async def main() -> None:
        websocket = make_pushed()
        await websocket.buffer.put("one")
        await websocket.buffer.put(b"")
        assert [await websocket.receive(), await websocket.receive()] == ["one", b""]
        waiting = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0.001)
        await websocket.buffer.put("two")
        assert await waiting == "two"
        await websocket.buffer.put("last")
        websocket.buffer.disconnect(1001, "bye")
        assert await websocket.receive() == "last"
        with pytest.raises(ClientDisconnectedError):
            await websocket.receive()
        assert websocket.state is State.DISCONNECTED
        assert websocket.close_code == 1001

    asyncio.run(main())


def test_a_full_buffer_makes_who_pushes_wait() -> None:
    async def main() -> None:
        buffer = Buffer()

        async def push() -> None:
            for number in range(3 * buffer.max_size):
                await buffer.put(str(number))
            buffer.disconnect()

        task = asyncio.ensure_future(push())
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(buffer._messages) == buffer.max_size
        assert [int(message) async for message in buffer] == list(range(3 * buffer.max_size))
        await task

    asyncio.run(main())


def test_a_disconnect_frees_who_waits_for_room() -> None:
    async def main() -> None:
        buffer = Buffer()
        for number in range(buffer.max_size):
            await buffer.put(str(number))
        task = asyncio.ensure_future(buffer.put("more"))
        await asyncio.sleep(0)
        buffer.disconnect()
        await task
        assert len([message async for message in buffer]) == buffer.max_size

    asyncio.run(main())


def test_a_buffer_class_can_be_chosen() -> None:
    class Shouting(Buffer):
        async def get(self) -> str | bytes:
            return str(await super().get()).upper()

    class Loud(Websocket):
        buffer_class = Shouting

    async def main() -> None:
        websocket = make_pushed()
        websocket.__class__ = Loud
        await websocket.buffer.put("data")
        assert await websocket.receive() == "DATA"

    asyncio.run(main())


def test_the_scope_may_name_the_client() -> None:
    scope: WebsocketScope = {"type": "websocket", "client": ("192.0.2.1", 5)}  # type: ignore[typeddict-item]
    client = Client()
    websocket = Websocket(
        "/", b"", "ws", Headers(), "", "1.1", [], client.send, client.accept, client.close, scope
    )
    assert websocket.remote_addr == "192.0.2.1"
