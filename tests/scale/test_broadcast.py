"""A chat over two processes, while one of them dies, Redis goes away, and a client stalls."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from _serving import Server

from ._chat import EventListener, heard_at_least, Listener, say, staying, until, WebsocketListener
from ._examples import command, example, kill, workers_of
from ._services import Redis, until as until_now

pytestmark = pytest.mark.timeout(500)
CLIENTS = 2000


@pytest.fixture
def slow_seconds() -> str:
    """For how long a client may not take a message; less where a test waits for that."""
    return "10"


stalling = pytest.mark.parametrize("slow_seconds", ["1"])


@pytest.fixture
def serve(
    python: str, redis: Redis, tmp_path: Path, slow_seconds: str
) -> Callable[[str], AbstractContextManager[Server]]:
    variables = {"REDIS_URL": redis.url, "SLOW_CLIENT_SECONDS": slow_seconds}

    def serving(module: str) -> AbstractContextManager[Server]:
        line = command("uvicorn", f"{module}:app")
        return example(python, tmp_path / "log", line, MESSAGES_KEPT="1000", **variables)

    return serving


@pytest.fixture
def in_full(serve: Callable[[str], AbstractContextManager[Server]]) -> Iterator[Server]:
    with serve("in_full") as server:
        yield server


@pytest.fixture
def at_most_once(serve: Callable[[str], AbstractContextManager[Server]]) -> Iterator[Server]:
    with serve("at_most_once") as server:
        yield server


def open_chat(server: Server, after: str = "") -> connect:
    url = f"ws://127.0.0.1:{server.port}/chat{after}"
    return connect(url, proxy=None, compression=None, ping_interval=None, open_timeout=30)


def test_each_message_reaches_all_in_order_and_once(in_full: Server, redis: Redis) -> None:
    """While a worker is killed, and Redis too."""
    asyncio.run(through_two_deaths(in_full, redis))


async def through_two_deaths(in_full: Server, redis: Redis) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        listeners = [
            *(WebsocketListener(in_full) for _ in range(CLIENTS - 100)),
            *(EventListener(in_full, client) for _ in range(100)),
        ]
        async with staying(listeners):
            told = []

            async def tell(count: int) -> None:
                for _ in range(count):
                    told.append(f"message {len(told)}")
                    await say(client, in_full.url, f"key {len(told)}", told[-1])

            await tell(10)
            kill(workers_of(in_full)[0])
            await tell(10)
            await until(lambda: len(workers_of(in_full)) == 2, "the worker is replaced")
            redis.kill()
            telling = asyncio.create_task(tell(10))
            await asyncio.sleep(0.5)  # Until the telling has met with the outage.
            redis.start()
            await telling
            # The answer to the first was lost, for all that its sender knows.
            await say(client, in_full.url, "key 1", told[0])
            await tell(1)
            with suppress(AssertionError):  # what is missing is told below
                await until(lambda: heard_at_least(listeners, len(told)), "all have heard", 180)
            late = Counter(
                (each.is_connected, len(each.heard)) for each in listeners if each.heard != told
            )
    assert not late, f"connected or not, and how much they have heard: {late}"
    wrong = Counter(tuple(each.heard) for each in listeners if each.heard != told)
    assert not wrong
    again = sum(each.times_connected > 1 for each in listeners)
    assert again > 0, "nobody was connected to the worker that died"


def test_a_process_is_ready_while_it_hears_from_redis(in_full: Server, redis: Redis) -> None:
    """Though nobody says anything."""

    def is_ready() -> bool:
        return httpx.get(f"{in_full.url}/ready", trust_env=False, timeout=60).is_success

    assert is_ready()
    for _ in range(2):
        redis.kill()
        until_now(lambda: not is_ready(), "it knows that Redis is away", 60)
        redis.start()
        until_now(is_ready, "it hears from Redis", 60)


def test_a_key_is_known_for_ten_minutes(in_full: Server, redis: Redis) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            for _ in range(2):
                await say(client, in_full.url, "one", "once")

    asyncio.run(main())
    assert redis.ask("XLEN", "chat") == ["1"]
    (seconds,) = redis.ask("TTL", "{chat}:seen:one")
    assert 500 < int(seconds) <= 600


@stalling
def test_who_is_slow_is_closed_and_goes_on_from_its_place(in_full: Server) -> None:
    asyncio.run(one_stalls(in_full))


async def one_stalls(server: Server) -> None:
    memory = {pid: memory_of(pid) for pid in workers_of(server)}
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        listeners = [WebsocketListener(server) for _ in range(4)]
        stalled = WebsocketListener(server)
        async with staying(listeners), open_chat(server) as connection:
            stalled.take(json.loads(await connection.recv())["id"], None)
            told = [f"{number} ".ljust(60_000, "x") for number in range(300)]
            for number, text in enumerate(told):
                await say(client, server.url, str(number), text)
            await until(lambda: heard_at_least(listeners, len(told)), "the others heard all")
            with pytest.raises(ConnectionClosedError, match="1013"):
                await take_all(connection, stalled)
            assert len(stalled.heard) < len(told)
            async with staying([stalled]):
                await until(lambda: heard_at_least([stalled], len(told)), "it has caught up")
    assert [each.heard == told for each in [*listeners, stalled]] == [True] * 5
    grown = [memory_of(pid) - before for pid, before in memory.items()]
    assert max(grown) < 100, f"MiB that the processes have grown by: {grown}"


async def take_all(connection: ClientConnection, listener: Listener) -> None:
    while True:
        message = json.loads(await connection.recv())
        listener.take(message["id"], message["text"])


def memory_of(pid: int) -> float:
    (resident,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(resident) / 1024


def test_a_place_that_is_kept_no_more_is_refused(in_full: Server) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            listener = WebsocketListener(in_full)
            async with staying([listener]):
                await say(client, in_full.url, "first", "first")
                await until(lambda: listener.heard, "the first is heard")
            place, headers = listener.place, {"Last-Event-ID": listener.place}
            # More than a window holds, and more than Redis keeps.
            for first in range(0, 2200, 20):
                numbers = range(first, first + 20)
                await asyncio.gather(
                    *(say(client, in_full.url, str(number), "later") for number in numbers)
                )
            answer = await client.get(f"{in_full.url}/events", headers=headers)
            assert answer.status_code == 410
            with pytest.raises(InvalidStatus, match="410"):
                await open_chat(in_full, f"?after={place}")
            with pytest.raises(InvalidStatus, match="400"):
                await open_chat(in_full, "?after=yesterday")

    asyncio.run(main())


def test_a_copy_that_is_behind_has_not_what_was_taken(
    in_full: Server, redis: Redis, tmp_path: Path
) -> None:
    """Redis does not wait for its replica; the chat goes on with what that has."""
    (tmp_path / "replica").mkdir()
    replica = Redis(tmp_path / "replica")
    replica.command += ["--replicaof", "127.0.0.1", str(redis.port)]
    replica.start()

    async def main() -> None:
        listener = WebsocketListener(in_full)
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client, staying([listener]):
            await say(client, in_full.url, "1", "kept")
            await until(lambda: replica.ask("XLEN", "chat") == ["1"], "it is copied")
            await until(lambda: is_written(replica), "it has that in its own file")
            replica.kill()
            await say(client, in_full.url, "2", "lost")
            await until(lambda: heard_at_least([listener], 2), "both are heard")
            redis.kill()
            redis.folder = replica.folder
            redis.start()
            await say(client, in_full.url, "3", "after it")
            await until(lambda: heard_at_least([listener], 3), "it goes on")
        assert listener.heard == ["kept", "lost", "after it"]
        assert redis.ask("XLEN", "chat") == ["2"]

    asyncio.run(main())


def is_written(replica: Redis) -> bool:
    """Redis writes its file anew after it has copied another one."""
    told = replica.ask("INFO", "persistence")
    return {"aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"} <= {*told}


@pytest.mark.parametrize("said", ["no JSON", "[]", '{"key": "", "text": ""}', '{"key": "a"}'])
def test_what_is_no_message_ends_its_sender_alone(in_full: Server, said: str) -> None:
    async def main() -> None:
        async with open_chat(in_full) as one, open_chat(in_full) as other:
            await one.recv()
            await other.recv()
            await one.send(said)
            with pytest.raises(ConnectionClosedError, match="1008"):
                await one.recv()
            await other.send(json.dumps({"key": "k", "text": "still here"}))
            assert json.loads(await other.recv())["text"] == "still here"

    asyncio.run(main())


# --- Publish and subscribe -----------------------------------------------------------------------


def test_at_most_once_and_in_order(at_most_once: Server, redis: Redis) -> None:
    """Those who are connected hear everything, and go on when Redis is there again."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            opened = []
            for _ in range(0, CLIENTS, 100):
                opening = [stack.enter_async_context(open_chat(at_most_once)) for _ in range(100)]
                opened += await asyncio.gather(*opening)
            await all_hear(opened, [f"message {number}" for number in range(20)])
            redis.kill()
            redis.start()
            await until(lambda: subscribers(redis) == 2, "both have subscribed again", 30)
            await all_hear(opened, [f"later {number}" for number in range(20)])

    asyncio.run(main())


def subscribers(redis: Redis) -> int:
    return int(redis.ask("PUBSUB", "NUMSUB", "chat")[-1])


async def all_hear(opened: Sequence[ClientConnection], texts: list[str]) -> None:
    for number, text in enumerate(texts):
        await opened[number % 2].send(text)
    heard = await asyncio.gather(*(next_of(each, len(texts)) for each in opened))
    # Two speak, so there are two orders, each of which is kept.
    for each in heard:
        assert sorted(each) == sorted(texts)
        for speaker in (0, 1):
            assert [text for text in each if text in texts[speaker::2]] == texts[speaker::2]
    assert len(set(map(tuple, heard))) == 1, "all hear the same order"


async def next_of(connection: ClientConnection, count: int) -> list[str | bytes]:
    async with asyncio.timeout(60):
        return [await connection.recv() for _ in range(count)]


def test_what_is_said_while_redis_is_away_is_lost(at_most_once: Server, redis: Redis) -> None:
    """Its sender is told, and who only hears stays connected."""

    async def main() -> None:
        async with open_chat(at_most_once) as hearing, open_chat(at_most_once) as speaking:
            await all_hear([speaking, hearing], ["first"])
            redis.kill()
            await speaking.send("nobody hears this")
            with pytest.raises(ConnectionClosedError, match=r"1013.*Redis is away"):
                await speaking.recv()
            redis.start()
            await until(lambda: subscribers(redis) == 2, "both have subscribed again", 30)
            async with open_chat(at_most_once) as later:
                await all_hear([later, hearing], ["later"])

    asyncio.run(main())


def test_what_is_said_while_a_client_is_away_is_lost_for_it(
    at_most_once: Server, redis: Redis
) -> None:
    """Both processes are killed, one after the other, so everybody comes again."""

    async def main() -> None:
        async with open_chat(at_most_once) as hearing:
            await all_hear([hearing], ["first"])
            for pid in workers_of(at_most_once):
                kill(pid)
            with pytest.raises(ConnectionClosedError):
                await hearing.recv()
            await until(lambda: len(workers_of(at_most_once)) == 2, "both are replaced")
            await until(lambda: subscribers(redis) == 2, "both have subscribed again")
            async with open_chat(at_most_once) as speaking:
                await all_hear([speaking], ["missed"])
                async with open_chat(at_most_once) as again:
                    await all_hear([speaking, again], ["heard"])

    asyncio.run(main())


@stalling
def test_who_is_slow_loses_what_comes(at_most_once: Server) -> None:
    async def main() -> None:
        async with open_chat(at_most_once) as quick, open_chat(at_most_once) as stalled:
            for number in range(300):
                text = f"{number} ".ljust(60_000, "x")
                await quick.send(text)
                assert await quick.recv() == text
            with pytest.raises(ConnectionClosedError, match="1013"):
                await next_of(stalled, 300)

    asyncio.run(main())
