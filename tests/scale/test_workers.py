"""Two processes on each server: restarted under load, asked for their health, behind nginx."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from ._chat import until
from ._examples import example, FOLDERS, kill, workers, workers_of
from ._load import under_load
from ._services import until as until_now

pytestmark = pytest.mark.timeout(200)

SERVERS = (*FOLDERS,)


@pytest.mark.parametrize("name", SERVERS)
def test_both_processes_answer(python: str, tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with under_load(server.port) as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
        assert load.failed == []

    with example(python, tmp_path / "log", workers(name)) as server:
        asyncio.run(main())


@pytest.mark.parametrize("name", SERVERS)
def test_connections_that_come_at_once_are_shared(python: str, tmp_path: Path, name: str) -> None:
    """On asyncio's own loop the process that wakes first takes all that wait, and keeps them."""
    with example(python, tmp_path / "log", workers(name)) as server:
        until_now(lambda: len(set(who_answers(server.port, 4))) == 2, "both have answered")
        took = Counter(pid for _ in range(5) for pid in who_answers(server.port, 64))
    assert len(took) == 2
    assert min(took.values()) > sum(took.values()) / 5


def who_answers(port: int, count: int) -> list[int]:
    """The process that each of *count* connections has come to, all opened in one go."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        for each in opened:
            each.settimeout(30)
            each.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return [process_in(each) for each in opened]


def process_in(connection: socket.socket) -> int:
    answer = b""
    while not answer.rstrip().endswith(b"}"):
        answer += connection.recv(65536)
    return int(re.findall(rb'"process": ?(\d+)', answer)[0])


@pytest.mark.parametrize("name", SERVERS)
def test_a_reload_under_load(python: str, tmp_path: Path, name: str) -> None:
    """Each of them closes a few connections that it had taken and not read from."""

    async def main() -> None:
        async with under_load(server.port) as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            before = set(workers_of(server))
            seen: list[set[int]] = []

            def old() -> set[int]:
                seen.append(set(workers_of(server)))
                return seen[-1] & before

            server.process.send_signal(signal.SIGHUP)
            await until(lambda: not old(), "the old ones are gone", 60)
            load.processes.clear()
            await until(lambda: len(load.processes - before) == 2, "new ones have answered", 30)
        if name == "hypercorn":  # all end, then new ones start
            assert [now for now in seen if now & before and now - before] == []
        else:
            assert min(map(len, seen)) >= 2, "an old one has gone before a new one was there"
        unanswered = re.compile("EOFError|ConnectionResetError")
        assert [failure for failure in load.failed if not unanswered.search(failure)] == []
        assert len(load.failed) <= 16, "more than two for each client"

    with example(python, tmp_path / "log", workers(name)) as server:
        asyncio.run(main())


SLOW = """
import os
import time

time.sleep({seconds})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            await send({{"type": (await receive())["type"] + ".complete"}})
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{{}}"}})
"""


def reloaded(python: str, folder: Path, name: str, seconds: int, patient: bool, done: str) -> str:
    """What a server says while it reloads an application that takes *seconds* to import."""
    log, settings = folder / "log", PATIENCE_OF[name]
    (folder / "app.py").write_text(SLOW.format(seconds=seconds))
    line = [str(folder) if part == "workers" else part for part in workers(name)]
    if not patient:
        line = shlex.split(shlex.join(line).replace(settings, ""))
    with example(python, log, line) as server:
        until_now(lambda: len(re.findall(STARTED[name], server.output())) == 2, "both serve", 60)
        server.process.send_signal(signal.SIGHUP)
        until_now(lambda: done in server.output(), f"{done}: {log}", 60)
        return server.output()


PATIENCE_OF = {
    "uvicorn": "--timeout-worker-healthcheck 30",
    "granian": "--respawn-interval 10",
}
STARTED = {"uvicorn": "startup complete", "granian": r"Started worker-\d"}


@pytest.mark.parametrize("patient", [True, False], ids=["patient", "not"])
def test_uvicorn_reloads_what_is_ready_in_time(python: str, tmp_path: Path, patient: bool) -> None:
    done = "Finished server process" if patient else "aborting the restart"
    reloaded(python, tmp_path, "uvicorn", 7, patient, done)


@pytest.mark.parametrize("patient", [True, False], ids=["patient", "not"])
def test_granian_reloads_in_time_or_not(python: str, tmp_path: Path, patient: bool) -> None:
    """It ends the old process after its interval, be the new one ready or not."""
    said = reloaded(python, tmp_path, "granian", 5, patient, "Stopped old worker-2")
    assert (
        len(re.findall("Started worker-1", said.partition("Stopping old worker-1")[0]))
        == 1 + patient
    )


@pytest.mark.parametrize("name", ["uvicorn", "gunicorn", "granian"])
def test_a_process_that_dies_is_replaced(python: str, tmp_path: Path, name: str) -> None:
    async def main() -> None:
        async with under_load(server.port) as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            dead = workers_of(server)[0]
            kill(dead)
            load.processes.clear()
            await until(lambda: len(load.processes - {dead}) == 2, "it is replaced", 30)

    with example(python, tmp_path / "log", workers(name)) as server:
        asyncio.run(main())


def test_hypercorn_ends_with_a_process_that_dies(python: str, tmp_path: Path) -> None:
    with example(python, tmp_path / "log", workers("hypercorn")) as server:
        until_now(lambda: len(workers_of(server)) == 2, "both are there")
        kill(workers_of(server)[0])
        server.process.wait(60)
