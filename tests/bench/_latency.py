"""How long an async view takes to answer while plain views block all threads."""

from __future__ import annotations

import time
from statistics import quantiles

from ._contenders import versus
from ._driver import Failure
from ._environments import versions
from ._http import Connection
from ._plot import dots
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples, turns
from ._servers import Running, running, THREADS
from ._settings import Settings
from ._wrk import as_lists, Job, loading, require_wrk, services

BLOCKED = 100
# Twice as many as there are threads, so that there is always one who waits for a thread.
_LOAD = Job("blocked", lambda body: body == b"done", f"/block/{BLOCKED}", connections=2 * THREADS)
_PAUSE = 0.005
# Of several thousand answers in all, since a percentile of few is noise.
_ROUNDS, _SECONDS = 5, 4.0
_ROWS = {
    "idle p50": "nobody else, median",
    "idle p99": "nobody else, p99",
    "p50": "all threads blocked, median",
    "p99": "all threads blocked, p99",
}


def run(settings: Settings) -> Section:
    """One server at a time, asked every few milliseconds by one client."""
    require_wrk()
    wanted = [
        *services(settings, "uvicorn", "quart", "layer-thread", "starlette", "quart022"),
        *services(settings, "gunicorn", "flask"),
    ]
    found, faults = Samples(), list[str]()
    with running(wanted) as servers:
        for server in turns(servers, settings.rounds_or(_ROUNDS)):
            settings.say(server.service.title)
            try:
                _measure(server, settings.seconds(_SECONDS), found)
            except (Failure, OSError) as failure:
                faults.append(f"{server.service.name}: {failure}")
    columns, unit = [service.contender for service in wanted], "milliseconds"
    title = "Latency of an async view while all threads are blocked"
    return Section(
        _setting(settings),
        [Table(unit.capitalize(), columns, grid(_ROWS, columns, found.median))],
        _targets(found),
        {"performance-latency.svg": dots(title, unit, _ROWS, columns, found.median)},
        faults,
        as_lists(found),
    )


def _setting(settings: Settings) -> str:
    return (
        f"{_LOAD.connections} connections ask for a plain view that blocks {BLOCKED} ms, "
        f"{THREADS} threads; one more asks for JSON of an `async def` view (Flask: a plain one) "
        f"every {_PAUSE * 1000:.0f} ms; uvicorn (Flask: gunicorn), "
        f"medians of {settings.rounds_or(_ROUNDS)} rounds, {machine()}; "
        + versions("uvicorn", "gunicorn", "uvloop")
    )


def _targets(found: Samples) -> list[Target]:
    return [
        Target(
            versus("p99 of an async view, all threads blocked", name, "starlette"),
            1.5,
            found.ratio("p99", name, "starlette"),
            is_main=True,
        )
        for name in ("quart", "layer-thread")
    ]


def _measure(server: Running, seconds: float, found: Samples) -> None:
    service = server.service
    path = "/json" if service.contender.interface == "wsgi" else "/async"
    idle = _probe(server, path, seconds / 4)
    with loading(server, _LOAD):
        # Until every thread is taken.
        time.sleep(1.0)
        blocked = _probe(server, path, seconds)
    for row, waited in (("idle ", idle), ("", blocked)):
        percentiles = quantiles(waited, n=100)
        found.add(f"{row}p50", service.contender.name, percentiles[49] * 1000)
        found.add(f"{row}p99", service.contender.name, percentiles[98] * 1000)


def _probe(server: Running, path: str, seconds: float) -> list[float]:
    """Seconds from request to answer, one request after another on one connection."""
    waited: list[float] = []
    connection = Connection(server.port)
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(waited) < 20:
            started = time.perf_counter()
            connection.send(path)
            connection.read()
            waited.append(time.perf_counter() - started)
            time.sleep(_PAUSE)
    finally:
        connection.close()
    return waited
