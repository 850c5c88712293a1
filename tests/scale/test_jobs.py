"""Jobs of two processes: done though a worker dies, and once for all processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from _serving import end, environment, Server

from ._examples import command, example, EXAMPLES, kill, workers_of
from ._services import Redis, until

pytestmark = pytest.mark.timeout(300)
WORKERS = {"celery": ("celery ", "worker"), "rq": ("rq_worker",)}


@pytest.fixture
def server(python: str, redis: Redis, tmp_path: Path) -> Iterator[Server]:
    variables = {"REDIS_URL": redis.url, "CLEAN_UP_SECONDS": "0.5"}
    with example(python, tmp_path / "log", command("--app-dir jobs"), **variables) as server:
        yield server


@contextmanager
def worker(python: str, kind: str, redis: Redis, log: Path) -> Iterator[None]:
    """A worker of the page's command, which takes one job at a time."""
    line = command(*WORKERS[kind])
    line = ["-m", *line, "--concurrency", "1"] if kind == "celery" else line[1:]
    env = environment(REDIS_URL=redis.url, REPORT_SECONDS="2") | {"PYTHONWARNINGS": "default"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [python, *line], cwd=EXAMPLES, env=env, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    finally:
        end(process)


@pytest.mark.parametrize("kind", WORKERS)
def test_a_job_is_done_though_the_process_that_did_it_dies(
    python: str, server: Server, redis: Redis, tmp_path: Path, kind: str
) -> None:
    log = tmp_path / "worker.log"
    with worker(python, kind, redis, log):
        for number in (1, 2):
            answer = httpx.post(f"{server.url}/{kind}/{number}", trust_env=False, timeout=60)
            assert answer.status_code == 202
        until(lambda: redis.ask("LRANGE", "begun", "0", "0"), f"it is begun: {log}", 60)
        os.kill(int(redis.ask("LINDEX", "begun", "0")[0]), signal.SIGKILL)
        done = ["1", "2"]
        until(lambda: sorted(redis.ask("LRANGE", "reports", "0", "-1")) == done, f"{log}", 120)
        assert len(redis.ask("LRANGE", "begun", "0", "-1")) == 3


def test_what_happens_at_a_time_happens_in_one_process(server: Server, redis: Redis) -> None:
    def who(first: int = 0) -> list[int]:
        return [int(pid) for pid in redis.ask("LRANGE", "cleaned", str(first), "-1")[::2]]

    until(lambda: len(who()) >= 4, "it has happened", 60)
    until(lambda: len(workers_of(server)) == 2, "both serve")
    leader, before = who()[-1], len(who())
    assert set(who()) == {leader}
    assert leader in workers_of(server)
    kill(leader)
    until(lambda: set(who(before)) - {leader}, "another one does it", 60)
    until(lambda: len(who(before)) >= 6, "it goes on", 60)
    # One after the other, never both.
    assert len(set(who(before)) - {leader}) == 1
