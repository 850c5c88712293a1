"""Files on servers: small ones, larger ones, and those that nobody holds in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ._contenders import versus
from ._environments import versions
from ._report import grid, machine, Section, Table, Target
from ._servers import running, Service
from ._settings import Settings
from ._wrk import as_lists, Job, Loads, require_wrk, services

_ASYNC = ("quart", "layer-thread", "starlette")
# Uvicorn is given the content, Granian the path.
_SERVERS = ("uvicorn", "granian")


_JOBS = {
    1: Job("1 KiB", lambda body: len(body) == 1 << 10, "/file/1", connections=16),
    100: Job("100 KiB", lambda body: len(body) == 100 << 10, "/file/100", connections=16),
    102400: Job("100 MiB", lambda body: len(body) == 100 << 20, "/file/102400", count=8),
}


def run(settings: Settings) -> Section:
    """Processor time of an answer of each size, each server in turns."""
    require_wrk()
    loads = Loads()
    with _folder() as environ, running(_services(settings, environ)) as servers:
        for job in _JOBS.values():
            loads.measure(settings, job, servers)
    columns = settings.chosen(*_ASYNC, "flask")
    rows = {row: row for row, _ in loads.micros}
    micros = grid(rows, columns, loads.micros.median)
    return Section(
        _setting(settings),
        [Table("CPU microseconds per request", columns, micros)],
        _targets(loads),
        faults=loads.faults,
        data={"micros": as_lists(loads.micros)},
    )


def _setting(settings: Settings) -> str:
    found = versions("uvicorn", "httptools", "granian", "gunicorn", "starlette", "uvloop")
    small, *_, large = _JOBS.values()
    return (
        f"wrk with one thread and {small.connections} connections, of {large.title} {large.count}"
        f" on one connection; one worker, gthread for gunicorn, medians of"
        f" {settings.rounds_or(3)} rounds, {machine()}; {found}"
    )


@contextmanager
def _folder() -> Iterator[Mapping[str, str]]:
    """The files, and the variable that tells the applications where they are."""
    with tempfile.TemporaryDirectory(prefix="bench-files-") as folder:
        for kib in _JOBS:
            Path(folder, f"{kib}.bin").write_bytes(b"x" * kib * 1024)
        yield {"BENCH_FILES": folder}


def _services(settings: Settings, environ: Mapping[str, str]) -> list[Service]:
    wanted = services(settings, "gunicorn", "flask")
    for server in _SERVERS:
        wanted += services(settings, server, *_ASYNC)
    return [replace(each, environ=environ) for each in wanted]


def _targets(loads: Loads) -> list[Target]:
    def each(ours: str, server: str, theirs: str, on: str, limit: float) -> Target:
        what = versus("files, requests per processor second", ours, theirs, server, on)
        found = {
            job.title: loads.efficiency((job.row(server), ours), (job.row(on), theirs))
            for job in _JOBS.values()
        }
        target = Target(f"{what}, each", limit, None, is_floor=True, is_main=True)
        return target.by_each(found)

    return [
        target
        for server in _SERVERS
        for target in (
            each("layer-thread", server, "flask", "gunicorn", 1.5),
            each("quart", server, "starlette", server, 1.0),
        )
    ]
