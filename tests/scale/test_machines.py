"""A chat over two machines, with Redis on a third one, whose cables are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from _serving import Server

from ._chat import heard_at_least, say, staying, until, WebsocketListener
from ._examples import command, example_on, make_tables
from ._machines import Machine, machines
from ._services import Postgres, Redis
from .test_databases import WAYS

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Site:
    """Two servers, and Redis, each on a machine of its own."""

    servers: Sequence[Server]
    machines: Sequence[Machine]
    redis: Redis
    where_redis_is: Machine


@pytest.fixture
def site(python: str, tmp_path: Path, example: str) -> Iterator[Site]:
    with ExitStack() as stack:
        *serving, where_redis_is = stack.enter_context(machines(3))
        (tmp_path / "redis").mkdir()
        redis = Redis(tmp_path / "redis", where_redis_is)
        redis.start()
        stack.callback(redis.stop)
        line = command("uvicorn", example)
        servers = [
            stack.enter_context(
                example_on(each, python, tmp_path / each.name, line, REDIS_URL=redis.url)
            )
            for each in serving
        ]
        yield Site(servers, serving, redis, where_redis_is)


async def until_all(site: Site, *, is_ready: bool) -> None:
    """Until both know whether Redis is there."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        for server in site.servers:
            async with asyncio.timeout(60):
                while (await client.get(f"{server.url}/ready")).is_success != is_ready:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)


@pytest.mark.parametrize("example", ["in_full:app"])
def test_each_message_reaches_all_though_cables_are_cut(site: Site) -> None:
    asyncio.run(through_cut_cables(site))


async def through_cut_cables(site: Site) -> None:
    listeners = [WebsocketListener(server) for server in site.servers for _ in range(20)]
    told: list[str] = []
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client, staying(listeners):

        async def tell(server: Server) -> None:
            told.append(f"message {len(told)}")
            await say(client, server.url, f"key {len(told)}", told[-1])

        for server in site.servers * 5:
            await tell(server)
        site.where_redis_is.cut()
        telling = asyncio.create_task(tell(site.servers[0]))
        await until_all(site, is_ready=False)
        site.where_redis_is.mend()
        await telling
        # A machine is lost with all that is on it, and its clients go to the other one.
        site.machines[1].cut()
        for listener in listeners:
            listener.server = site.servers[0]
        for _ in range(5):
            await tell(site.servers[0])
        site.machines[1].mend()
        with suppress(AssertionError):
            await until(lambda: heard_at_least(listeners, len(told)), "all have heard", 120)
    assert {tuple(each.heard) for each in listeners} == {tuple(told)}


@pytest.mark.parametrize("example", ["at_most_once:app"])
def test_it_goes_on_when_the_cable_is_mended(site: Site) -> None:
    asyncio.run(through_a_cut_cable(site))


async def through_a_cut_cable(site: Site) -> None:
    one, other = (f"ws://{each.host}:{each.port}/chat" for each in site.servers)
    async with connect(one, proxy=None) as hearing:
        site.where_redis_is.cut()
        async with connect(other, proxy=None) as speaking:
            await speaking.send("nobody hears this")
            with pytest.raises(ConnectionClosedError, match=r"1013.*Redis is away"):
                async with asyncio.timeout(60):
                    await speaking.recv()
        await until_all(site, is_ready=False)
        site.where_redis_is.mend()
        await until_all(site, is_ready=True)
        async with connect(other, proxy=None) as speaking, asyncio.timeout(60):
            await speaking.send("later")
            assert await hearing.recv() == await speaking.recv() == "later"


@pytest.mark.parametrize("example", ["--app-dir sessions"])
def test_no_request_waits_for_a_lost_machine_for_ever(site: Site) -> None:
    asyncio.run(while_redis_is_lost(site))


async def while_redis_is_lost(site: Site) -> None:
    one, other = (each.url for each in site.servers)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        first = await client.get(f"{one}/visits")
        client.headers["Cookie"] = f"session={first.cookies['session']}"
        client.cookies.clear()
        assert (await client.get(f"{other}/visits")).json()["visits"] == 2
        site.where_redis_is.cut()
        asked = [client.get(f"{one}/visits") for _ in range(100)]
        asked += [client.get(f"{one}/report"), client.post(f"{one}/code")]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers[:100]} == {500}
        # What needs no session goes on.
        assert (await client.get(f"{one}/process", headers={"Cookie": ""})).is_success
        site.where_redis_is.mend()
        async with asyncio.timeout(60):
            while (await client.get(f"{one}/visits")).is_error:
                pass
        visits = [(await client.get(f"{each}/visits")).json()["visits"] for each in (one, other)]
        assert visits == [4, 5]


# --- PostgreSQL ----------------------------------------------------------------------------------


def test_no_query_waits_for_a_lost_machine_for_ever(python: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        here, there = stack.enter_context(machines(2))
        made = Path(stack.enter_context(TemporaryDirectory(prefix="scale-")))
        made.chmod(0o755)
        (made / "postgres").mkdir()
        postgres = Postgres(made / "postgres", machine=there)
        postgres.start()
        stack.callback(postgres.stop)
        make_tables(python, DATABASE_URL=postgres.url)
        line, log = command("--app-dir databases"), tmp_path / "log"
        server = stack.enter_context(
            example_on(here, python, log, line, DATABASE_URL=postgres.url, POOL="2")
        )
        asyncio.run(while_postgres_is_lost(server, there))


async def while_postgres_is_lost(server: Server, there: Machine) -> None:
    paths = [f"{server.url}/{way}/items" for way in WAYS]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=150, limits=limits, trust_env=False) as client:
        assert (await client.post(f"{server.url}/items/pear")).is_success
        for answer in await asyncio.gather(*(client.get(path) for path in paths * 4)):
            assert answer.json() == ["pear"]
        there.cut()
        for answer in await asyncio.gather(*(client.get(path) for path in paths * 4)):
            assert answer.status_code == 500, answer.url
        there.mend()
        async with asyncio.timeout(100):
            for path in paths:
                while (answer := await client.get(path)).is_error:
                    pass
                assert answer.json() == ["pear"]
