"""Two processes on each server: restarted under load, asked for their health, behind nginx."""

from __future__ import annotations

import asyncio
import re
import signal
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
def test_a_reload_under_load(python: str, tmp_path: Path, name: str) -> None:
    """Each of them closes a few connections that it had taken and not read from."""

    async def main() -> None:
        async with under_load(server.port) as load:
            await until(lambda: len(load.processes) == 2, "both have answered", 30)
            before = set(workers_of(server))
            server.process.send_signal(signal.SIGHUP)
            await until(lambda: not before & set(workers_of(server)), "the old ones are gone", 60)
            load.processes.clear()
            await until(lambda: len(load.processes - before) == 2, "new ones have answered", 30)
        unanswered = re.compile("EOFError|ConnectionResetError")
        assert [failure for failure in load.failed if not unanswered.search(failure)] == []
        assert len(load.failed) <= 16, "more than two for each client"

    with example(python, tmp_path / "log", workers(name)) as server:
        asyncio.run(main())


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
