"""Films and reviews on PostgreSQL: what a framework is worth where there is work to wait for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from ._contenders import Contender, versus
from ._environments import versions
from ._postgres import ACTORS, CATEGORIES, database, FILMS, ROLES
from ._report import grid, machine, Section, Table, Target
from ._servers import running, Service
from ._settings import Settings
from ._wrk import Job, Loads, require_wrk, services

THREADS = 16
_REVIEW = '{"film_id": {n}, "rating": 4}'
JOBS = (
    Job("GET /films/ID/", lambda body: json.loads(body)["film_id"] == 995, "/films/{n}/"),
    Job("GET /films/", lambda body: len(json.loads(body)["films"]) == FILMS, "/films/"),
    Job("POST /reviews/", lambda body: json.loads(body)["review_id"], "/reviews/", "POST", _REVIEW),
)
_ASYNC = ("quart", "layer-thread", "quart022")
_ASYNC_SERVERS = ("uvicorn", "hypercorn")


def run(settings: Settings) -> Section:
    """Three routes, each server in turns, all on one database."""
    require_wrk()
    loads = Loads()
    with database() as url, running(_services(settings, url)) as servers:
        for job in JOBS:
            loads.measure(settings, job, servers)
    columns = settings.chosen("quart", "layer-thread", "flask", "quart022")
    section = loads.report("films", "Requests per second, films and reviews", columns)
    section.setting = _setting(settings)
    section.targets = _targets(loads)
    section.tables.insert(1, _multiples(loads, columns))
    return section


def _services(settings: Settings, url: str) -> list[Service]:
    wanted = services(settings, "gunicorn", "flask")
    for server in _ASYNC_SERVERS:
        wanted += services(settings, server, *_ASYNC)
    told = {"BENCH_DATABASE": url}
    return [replace(each, tasks="films", threads=THREADS, environ=told) for each in wanted]


def _setting(settings: Settings) -> str:
    found = versions(
        *("asyncpg", "psycopg", "psycopg-pool", "uvicorn", "hypercorn", "gunicorn", "uvloop")
    )
    return (
        f"PostgreSQL with {FILMS} films, {ACTORS} actors in {ROLES} roles and {CATEGORIES} "
        f"categories on the same machine; wrk with {JOBS[0].connections} connections; one worker "
        f"with {THREADS} threads where views are plain, {THREADS} database connections each; "
        f"medians of {settings.rounds_or(3)} rounds, {machine()}; {found}"
    )


def _multiples(loads: Loads, columns: Sequence[Contender]) -> Table:
    def value(row: str, column: str) -> float | None:
        flask = next(job.row("gunicorn") for job in JOBS if row.startswith(f"{job.title} on"))
        return loads.per_second.quotient((row, column), (flask, "flask"))

    rows = {row: row for row, _ in loads.per_second}
    return Table("In multiples of Flask's on gunicorn", columns, grid(rows, columns, value))


def _targets(loads: Loads) -> list[Target]:
    def ratio(job: Job, server: str, ours: str, theirs: str, on: str) -> Target:
        what = versus(job.title, ours, theirs, server, on)
        got = loads.per_second.quotient((job.row(server), ours), (job.row(on), theirs))
        return Target(what, 1.0, got, is_floor=True)

    return [
        target
        for server in _ASYNC_SERVERS
        for job in JOBS
        for target in (
            ratio(job, server, "quart", "quart022", server),
            ratio(job, server, "layer-thread", "flask", "gunicorn"),
        )
    ]
