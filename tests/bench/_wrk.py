"""Load by ``wrk``: one thread, kept connections, as many requests as the server answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ._driver import Failure
from ._plot import dots
from ._processors import started_on
from ._report import Column, grid, Section, Table
from ._samples import Samples, turns
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
        fit = [server for server in servers if self._answers(server, job)]
        for server in turns(fit, settings.rounds_or(3)):
            found = load(server, job, settings.seconds(2.0))
            cell = job.row(server.service.where), server.service.contender.name
            self.per_second.add(*cell, found.per_second)
            self.micros.add(*cell, found.micros)

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

    def _answers(self, server: Running, job: Job) -> bool:
        try:
            check(server, job)
            # The first requests fill caches, pools and connections.
            load(server, job, 1.0)
        except Failure as failure:
            self.faults.append(f"{server.service.name}: {failure}")
            return False
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
    """Ask for so many seconds, at least one; every answer must be a good one."""
    before = server.cpu()
    command = _command(server, job, max(1, round(seconds)))
    with started_on(server.others):
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu = server.cpu() - before
    found = json.loads(ran.stdout.splitlines()[-1])
    requests = found["requests"]
    if any(found["errors"].values()) or not requests:
        message = f"{job.method} {job.path}: {requests} answers, {found['errors']}"
        raise Failure(f"{message} {server.output()}".strip())
    return Load(requests / found["seconds"], cpu / requests * 1e6)


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
