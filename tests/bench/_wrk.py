"""Load by ``wrk``: one thread, kept connections, as many requests as the server answers.

Large answers are asked for by a client of our own, which counts no part of one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ._driver import Failure
from ._http import Connection
from ._plot import dots
from ._processors import started_on
from ._report import Column, grid, Section, Table
from ._samples import Cell, Samples, turns
from ._servers import Running, Service
from ._settings import Settings, Skipped


@dataclass(frozen=True)
class Job:
    """A request to repeat; ``{n}`` in path and body becomes a number from 1 to 1000."""

    title: str
    is_right: Callable[[bytes], bool]
    path: str
    method: str = "GET"
    body: str = ""
    connections: int = 64
    #: Of large answers how many are asked for, one after the other; 0 for as many as there are.
    count: int = 0

    def row(self, server: str) -> str:
        """The row of a table that its figures on a server belong to."""
        return f"{self.title} on {server}"


@dataclass(frozen=True)
class Load:
    """What a server answered in a while, and the processor time that it took."""

    per_second: float
    micros: float


@dataclass
class Loads:
    """Requests per second and microseconds per request; rows are jobs on servers."""

    per_second: Samples = field(default_factory=Samples)
    micros: Samples = field(default_factory=Samples)
    faults: list[str] = field(default_factory=list)

    def measure(self, settings: Settings, job: Job, servers: Sequence[Running]) -> None:
        """Let the servers answer in turns; one that fails is a fault and has no figures."""
        settings.say(job.title)
        fit = [server for server in servers if self._is_right(server, job)]
        failed: set[Running] = set()
        for server in turns(fit, settings.rounds_or(3)):
            if server not in failed and not self._add(server, job, settings.seconds(2.0)):
                failed.add(server)

    def efficiency(self, ours: Cell, theirs: Cell) -> float | None:
        """How many times as many requests the first answers in a second of processor time."""
        return self.micros.quotient(theirs, ours)

    def report(self, name: str, title: str, columns: Sequence[Column]) -> Section:
        """Both tables, and the plot of requests per second."""
        rows = {row: row for row, _ in self.per_second}
        rate, micros = self.per_second.median, self.micros.median
        unit = "requests per second"
        return Section(
            tables=[
                Table(unit.capitalize(), columns, grid(rows, columns, rate)),
                Table("CPU microseconds per request", columns, grid(rows, columns, micros)),
            ],
            plots={f"performance-{name}.svg": dots(title, unit, rows, columns, rate)},
            faults=self.faults,
            data={"per_second": as_lists(self.per_second), "micros": as_lists(self.micros)},
        )

    def _is_right(self, server: Running, job: Job) -> bool:
        try:
            check(server, job)
            # The first requests fill caches, pools and connections.
            load(server, job, 1.0)
        except (Failure, OSError) as failure:
            self.faults.append(f"{server.service.name}: {failure}")
            return False
        return True

    def _add(self, server: Running, job: Job, seconds: float) -> bool:
        cell = job.row(server.service.where), server.service.contender.name
        try:
            found = load(server, job, seconds)
        except (Failure, OSError) as failure:
            self.faults.append(f"{server.service.name}: {failure}")
            self.per_second.pop(cell, None)
            self.micros.pop(cell, None)
            return False
        self.per_second.add(*cell, found.per_second)
        self.micros.add(*cell, found.micros)
        return True


def as_lists(samples: Samples) -> dict[str, dict[str, list[float]]]:
    """Each round's figure by row and column, for JSON."""
    rows: dict[str, dict[str, list[float]]] = {row: {} for row, _ in samples}
    for (row, column), values in samples.items():
        rows[row][column] = values
    return rows


def require_wrk() -> None:
    """Raise ``Skipped`` where there is no wrk."""
    if shutil.which("wrk") is None:
        raise Skipped("needs wrk: apt-get install wrk")


def check(server: Running, job: Job) -> None:
    """Raise ``Failure`` unless the server gives the right answer."""
    path, body = (text.replace("{n}", "995") for text in (job.path, job.body))
    answer = server.get(path, job.method, body.encode() or None)
    if not job.is_right(answer):
        raise Failure(f"{job.method} {path}: wrong answer {answer[:80]!r}")


def load(server: Running, job: Job, seconds: float) -> Load:
    """Ask for the job's count of answers, or for so many seconds, at least one.

    Every answer must be a good one.
    """
    before = server.cpu()
    requests, took = _one_by_one(server, job) if job.count else _by_wrk(server, job, seconds)
    return Load(requests / took, (server.cpu() - before) / requests * 1e6)


def _by_wrk(server: Running, job: Job, seconds: float) -> tuple[int, float]:
    command = _command(server, job, max(1, round(seconds)))
    with started_on(server.others):
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout.splitlines()[-1])
    requests: int = found["requests"]
    if any(found["errors"].values()) or not requests:
        message = f"{job.method} {job.path}: {requests} answers, {found['errors']}"
        raise Failure(f"{message} {server.output()}".strip())
    return requests, found["seconds"]


def _one_by_one(server: Running, job: Job) -> tuple[int, float]:
    started = time.perf_counter()
    with closing(Connection(server.port)) as connection:
        for _ in range(job.count):
            connection.send(job.path, job.method)
            for _ in connection.pieces():
                pass
    return job.count, time.perf_counter() - started


@contextmanager
def loading(server: Running, job: Job) -> Iterator[None]:
    """Ask all the while."""
    command = _command(server, job, 600)
    wrk = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        wrk.kill()
        wrk.wait()


def _command(server: Running, job: Job, seconds: int) -> list[str]:
    return [
        *("wrk", "--threads", "1", "--connections", str(job.connections)),
        *("--duration", f"{seconds}s", "--timeout", "20s"),
        *("--script", str(Path(__file__).with_name("_wrk.lua"))),
        *(f"http://127.0.0.1:{server.port}", "--", job.method, job.path, job.body),
    ]


def services(
    settings: Settings, server: str, *names: str, is_pinned: bool = False
) -> list[Service]:
    """The chosen ones of these contenders on a server."""
    chosen = settings.chosen(*names)
    return [Service(contender, server, is_pinned=is_pinned) for contender in chosen]
