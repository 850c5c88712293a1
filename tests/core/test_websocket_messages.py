"""A websocket takes messages straight from the server while it can, and that shows in nothing.

Programs are generated, and each is run twice: as it is, and with every message received through
`Inbound.receive`. What the handler and the server have seen must be the same.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from quart import Quart, websocket
from quart._connection import inbound
from quart._connection.inbound import Inbound
from quart._loops import turns
from quart.wrappers import ClientDisconnectedError

from .driver import Client, connect, in_background, run, scope_for, until

MINE: ContextVar[str] = ContextVar("mine", default="nobody's")
MESSAGES: list[dict[str, Any]] = [
    {"type": "websocket.receive", "text": "text", "bytes": None},
    {"type": "websocket.receive", "bytes": b""},
    {"type": "websocket.receive", "text": ""},
    {"type": "websocket.receive", "bytes": b"bytes", "text": None},
    {"type": "websocket.unheard_of"},
]
CONNECT = {"type": "websocket.connect"}
LEFT = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}


class Future:
    """An awaitable that is no coroutine, as those of servers in other languages."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Any:
        yield
        return self.value


class Server:
    """A server whose messages are there at once, or take some turns of the loop."""

    def __init__(self, chance: random.Random) -> None:
        self.log: list[Any] = []
        self.messages = [
            {**chance.choice(MESSAGES), "number": number} for number in range(chance.randrange(60))
        ]
        self.messages.append(LEFT)
        self.messages.insert(0, CONNECT)
        self.waits = [chance.choice([0, 0, 0, 1, 2, 5]) for _ in range(200)]
        self.breaks = chance.choice([None, None, chance.randrange(60)])
        #: False once the handler has ended: what follows has a limit of time.
        self.is_asked = True

    def receive(self) -> Any:
        kind = self.waits[-len(self.messages)]
        return Future(self._take()) if kind == 1 and len(self.messages) > 1 else self._receive()

    async def _receive(self) -> Any:
        self._note("receive")
        for _ in range(self.waits.pop()):
            await asyncio.sleep(0)
            self._note("received")
        return self._take()

    def _take(self) -> Any:
        if self.breaks == len(self.messages) and self.messages[0] != CONNECT and self.is_asked:
            self.breaks = None
            raise LookupError("of the server")
        return self.messages.pop(0) if len(self.messages) > 1 else self.messages[0]

    async def send(self, message: Any) -> None:
        self._note(message.get("text", message["type"]))
        for _ in range(self.waits.pop() // 2):
            await asyncio.sleep(0)
            self._note("sent")

    def _note(self, what: str) -> None:
        if self.is_asked:
            self.log.append((what, MINE.get()))
        MINE.set("the server's")


class Program:
    """What a handler does, step by step."""

    def __init__(self, chance: random.Random, server: Server) -> None:
        self.server, self.log = server, server.log
        actions = [self.receive, self.receive, self.receive, self.send, self.give_up, self.both]
        actions += [self.watch, self.ahead, self.turns, self.accept]
        self.steps = [(chance.choice(actions), chance.randrange(4)) for _ in range(60)]

    async def run(self) -> None:
        MINE.set("the handler's")
        for step, number in self.steps:
            self.log.append(step.__name__)
            try:
                await step(number)
            except (ClientDisconnectedError, LookupError) as error:
                self.log.append(repr(error))
                if websocket.close_code is not None:
                    break
            finally:
                self.log.append(MINE.get())
        self.server.is_asked = False

    async def receive(self, number: int) -> None:
        self.log.append(await websocket.receive())

    async def send(self, number: int) -> None:
        await websocket.send(f"{number}")

    async def accept(self, number: int) -> None:
        await websocket.accept()

    async def turns(self, number: int) -> None:
        for _ in range(number):
            await asyncio.sleep(0)

    async def give_up(self, number: int) -> None:
        """Cancel a task that receives; a message must not be lost."""
        task = asyncio.ensure_future(websocket.receive())
        await self.turns(number)
        task.cancel()
        self.log += await asyncio.gather(task, return_exceptions=True)

    async def both(self, number: int) -> None:
        self.log += await asyncio.gather(
            websocket.receive(), websocket.receive(), return_exceptions=True
        )

    async def watch(self, number: int) -> None:
        """As if the handler had waited for a while; `late` if *number* says so."""
        ahead: Any = websocket._inbound
        if ahead.watcher is not None or number < 3:
            return
        task = asyncio.ensure_future(websocket.receive())
        await asyncio.sleep(0)
        if ahead.watcher is None and ahead.gone is None:
            ahead._watch()
        self.log += await asyncio.gather(task, return_exceptions=True)

    async def ahead(self, number: int) -> None:
        ahead: Any = websocket._inbound
        if number == 3 and ahead.watcher is None and ahead.gone is None and ahead._begun is None:
            ahead.begin_to_receive()


def outcome(seed: int) -> list[Any]:
    chance = random.Random(seed)
    server = Server(chance)
    program, app = Program(chance, server), Quart(__name__)
    app.add_websocket("/", view_func=program.run)
    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "scheme": "ws"}

    async def main() -> None:
        await app(scope, server.receive, server.send)  # type: ignore[arg-type]

    asyncio.run(asyncio.wait_for(main(), 10))
    return [repr(each) for each in server.log]


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE", 0)
    monkeypatch.setattr(inbound, "WATCH_AFTER", 1000)


@pytest.mark.parametrize("seeds", [range(start, start + 40) for start in range(0, 120, 40)])
def test_programs_do_the_same_on_the_longer_way(
    seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0
    at_once: Callable[[Any], Any] = Inbound.at_once

    def counting(ahead: Any) -> Any:
        nonlocal taken
        taken += ahead.direct
        return at_once(ahead)

    with monkeypatch.context() as counted:
        counted.setattr(Inbound, "at_once", counting)
        expected = [outcome(seed) for seed in seeds]
    assert taken > 100
    begin: Callable[[Any], None] = Inbound.begin_websocket

    def begin_on_the_longer_way(ahead: Any) -> None:
        begin(ahead)
        ahead.direct = False

    monkeypatch.setattr(Inbound, "begin_websocket", begin_on_the_longer_way)
    assert [outcome(seed) for seed in seeds] == expected


def test_one_that_goes_on_receiving_is_not_watched_until_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.05)
    app, watched, ended = Quart(__name__), [], asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        ahead: Any = websocket._inbound
        for _ in range(20):
            await websocket.receive()
            await asyncio.sleep(0.02)  # The timer strikes now and then, outside of `receive`.
            watched.append(ahead.watcher is not None)
        try:
            await asyncio.sleep(60)  # For longer than the test: the client's leaving ends it.
        finally:
            ended.set()

    async def main() -> None:
        client = Client({"type": "websocket.connect"})
        serving = in_background(connect(app, scope_for("websocket"), client))
        for _ in range(20):
            client.say({"type": "websocket.receive", "text": "a"})
        await until(lambda: len(watched) == 20)
        client.say({"type": "websocket.disconnect", "code": 1001})
        await ended.wait()
        await serving

    run(main())
    assert not any(watched)
