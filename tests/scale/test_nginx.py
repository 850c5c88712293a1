"""nginx before two processes on sockets of their own, one of which is replaced under load."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP
from subprocess import Popen
from tempfile import TemporaryDirectory

import httpx
import pytest
from websockets.sync.client import connect

from ._chat import until
from ._examples import children_of, EXAMPLES, instance, on_socket, workers
from ._load import under_load
from ._services import Nginx

pytestmark = pytest.mark.timeout(200)


@dataclass
class Front:
    port: int
    sockets: list[Path]
    start: Callable[[int], AbstractContextManager[Popen[bytes]]]
    drain: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/shop"


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short name, as that of a socket has room for a hundred characters."""
    with TemporaryDirectory(prefix="scale-") as name:
        yield Path(name)


@pytest.fixture
def sockets() -> list[str]:
    return ["1.sock", "2.sock"]


@pytest.fixture
def front(python: str, folder: Path, sockets: list[str]) -> Iterator[Front]:
    """What stands before the two; a test starts these."""
    (folder / "files").mkdir()
    (folder / "files/report.txt").write_text("for you alone")
    text = (EXAMPLES / "workers/nginx.conf").read_text(encoding="utf-8")
    text = text.replace("/run/yourapp/", f"{folder}/").replace(
        "/srv/yourapp/files", f"{folder}/files"
    )
    nginx = Nginx(folder, text.replace("2.sock", sockets[1]))
    nginx.start()
    paths, drain = [folder / name for name in sockets], folder / "drain"

    def start(number: int) -> AbstractContextManager[Popen[bytes]]:
        log = folder / f"{number}.log"
        return instance(python, paths[number], log, DRAIN_FILE=str(drain))

    try:
        yield Front(nginx.port, paths, start, drain)
    finally:
        nginx.stop()


def test_what_is_asked_below_a_path(front: Front) -> None:
    with front.start(0), front.start(1), httpx.Client(trust_env=False) as client:
        answers = [client.get(f"{front.url}/").json() for _ in range(4)]
        assert len({answer["process"] for answer in answers}) == 2
        assert {answer["url"] for answer in answers} == {f"{front.url}/"}
        assert client.get(f"{front.url}/file/report.txt").text == "for you alone"
        base = front.url.removesuffix("/shop")
        assert client.get(f"{base}/protected/report.txt").status_code == 404
        with client.stream("GET", f"{front.url}/events") as response:
            events = re.findall(r"id: (\d)", "".join(first_of(response, 3)))
            assert events == ["0", "1", "2"]
        with connect(front.url.replace("http", "ws") + "/echo", proxy=None) as connection:
            connection.send("hello")
            assert connection.recv(30) == "hello"


def first_of(response: httpx.Response, count: int) -> Iterator[str]:
    pieces = response.iter_text()
    for _ in range(count):
        yield next(pieces)


def test_a_process_is_replaced_and_nobody_notices(front: Front) -> None:
    """As the unit for systemd stops it: nobody can come any more, then it ends what it has."""

    async def replace_both(started: list[ExitStack]) -> None:
        async with under_load(front.port, "/shop/") as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            before = set(load.processes)
            for number, stack in enumerate(started):
                front.sockets[number].unlink()
                await asyncio.sleep(2)  # they come in who were at the door
                await asyncio.to_thread(stack.close)
                await asyncio.to_thread(stack.enter_context, front.start(number))
            load.processes.clear()
            await until(lambda: len(load.processes - before) == 2, "both are new", 30)
        assert load.failed == []
        assert load.answered > 100

    with ExitStack() as first, ExitStack() as second:
        for number, stack in enumerate((first, second)):
            stack.enter_context(front.start(number))
        asyncio.run(replace_both([first, second]))


ONE_SOCKET = {
    "uvicorn": ["--uds", "1.sock"],
    "gunicorn": ["--bind", "unix:1.sock"],
    "granian": ["--uds", "1.sock"],
}


@pytest.mark.parametrize("name", ONE_SOCKET)
@pytest.mark.parametrize("sockets", [["1.sock", "1.sock"]], ids=["named-twice"])
def test_a_reload_behind_nginx_loses_no_get(
    python: str, front: Front, tmp_path: Path, name: str
) -> None:
    """The socket of both is named twice, so nginx asks again where an answer did not come."""
    line = workers(name)
    at = next(number for number, part in enumerate(line) if part.endswith("{port}"))
    path = str(front.sockets[0])
    line[at - 1 : at + 1] = [part.replace("1.sock", path) for part in ONE_SOCKET[name]]

    async def main(server: Popen[bytes]) -> None:
        async with under_load(front.port, "/shop/") as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            before = set(load.processes)
            server.send_signal(SIGHUP)
            load.processes.clear()
            await until(lambda: len(load.processes - before) == 2, "both are new", 60)
            await until(lambda: not before & set(children_of(server.pid)), "the old are gone", 60)
        assert [failure for failure in load.failed if "GET" in failure] == []

    with on_socket(python, line, front.sockets[0], tmp_path / "log") as server:
        asyncio.run(main(server))


def test_a_process_that_dies_is_not_noticed_by_those_who_only_ask(front: Front) -> None:
    async def main(one: Popen[bytes]) -> None:
        async with under_load(front.port, "/shop/") as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            one.kill()
            load.processes.clear()
            await until(lambda: load.answered > 200, "the other one answers", 30)
            assert load.processes != {one.pid}
        # nginx does not repeat what may have been done already.
        assert [failure for failure in load.failed if "GET" in failure] == []
        assert len(load.failed) <= 8

    with front.start(0) as one, front.start(1):
        asyncio.run(main(one))


def test_a_process_says_whether_it_should_be_asked(front: Front) -> None:
    async def main() -> None:
        # Itself, as a probe does; nginx would ask the other one.
        transport = httpx.AsyncHTTPTransport(uds=str(front.sockets[0]))
        async with httpx.AsyncClient(
            transport=transport, timeout=30, base_url="http://localhost"
        ) as client:
            assert (await client.get("/ready")).json()["ready"]
            # More requests than threads, and more of them waiting than it takes.
            blocked = [asyncio.create_task(client.get("/block/1500")) for _ in range(70)]
            await answered_with(client, "requests wait for a thread")
            assert (await client.get("/alive")).status_code == 200
            await asyncio.gather(*blocked)
            await answered_with(client)
            assert (await client.get("/hold/1500")).status_code == 200
            await answered_with(client, "the event loop stood still")
            await answered_with(client)  # ten seconds later
            front.drain.touch()
            await answered_with(client, "it is to be stopped")

    with front.start(0):
        asyncio.run(main())


async def answered_with(client: httpx.AsyncClient, *why: str) -> None:
    async with asyncio.timeout(30):
        while True:
            answer = await client.get("/ready")
            said = answer.json()["why"]
            if said == list(why):
                assert answer.status_code == (503 if why else 200)
                return
            await asyncio.sleep(0.05)
