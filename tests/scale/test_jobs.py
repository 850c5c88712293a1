"""Jobs of two processes: done though a worker dies, and once for all processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from _serving import end, Server

from ._examples import command, example, kill, running, workers_of
from ._services import Redis, until

pytestmark = pytest.mark.timeout(300)
WORKERS = {"celery": ("celery ", "worker"), "rq": ("rq_worker",)}


@pytest.fixture
def server(python: str, redis: Redis, tmp_path: Path) -> Iterator[Server]:
    variables = {"REDIS_URL": redis.url, "CLEAN_UP_SECONDS": "0.5"}
    with example(python, tmp_path / "log", command("--app-dir jobs"), **variables) as server:
        yield server


def worker(
    python: str, kind: str, redis: Redis, log: Path, **variables: str
) -> AbstractContextManager[Popen[bytes]]:
    """A worker of the page's command, which takes one job at a time."""
    line = command(*WORKERS[kind])
    if kind == "celery":
        line += ["--concurrency", "1"]
    variables |= {"REDIS_URL": redis.url, "REPORT_SECONDS": "2"}
    return running(python, line, lambda: True, log, **variables)


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


def test_a_job_is_given_again_though_all_of_celery_s_worker_dies(
    python: str, server: Server, redis: Redis, tmp_path: Path
) -> None:
    def again() -> AbstractContextManager[Popen[bytes]]:
        return worker(python, "celery", redis, tmp_path / "worker.log", GIVEN_AGAIN_SECONDS="5")

    with again() as first:
        assert httpx.post(f"{server.url}/celery/1", trust_env=False, timeout=60).status_code == 202
        until(lambda: redis.ask("LRANGE", "begun", "0", "0"), "it is begun", 60)
        end(first)
    assert redis.ask("LRANGE", "reports", "0", "-1") == []
    with again():  # which looks for such jobs every 100 seconds
        until(lambda: redis.ask("LRANGE", "reports", "0", "-1") == ["1"], "it is done", 200)
    assert len(redis.ask("LRANGE", "begun", "0", "-1")) == 2


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
