"""How long many views take that wait for async code at the same time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from ._contenders import CONTENDERS
from ._driver import Failure
from ._http import Connection
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples, turns
from ._servers import Running, running, Service, THREADS
from ._settings import Settings
from ._wrk import as_lists, services
from .apps.served._payload import PAUSE

MANY = 400
_ROW = f"{MANY} requests"


def run(settings: Settings) -> Section:
    """So many requests at once, each on a connection of its own that is open before."""
    wanted = [
        *services(settings, "uvicorn", "layer-loop", "layer-thread", "quart", "starlette"),
        *services(settings, "gunicorn", "flask"),
    ]
    seconds, faults = Samples(), list[str]()
    with running(wanted) as servers:
        for server in turns(servers, settings.rounds_or(5)):
            settings.say(server.service.title)
            try:
                seconds.add(_ROW, server.service.contender.name, _all_at_once(server))
            except (Failure, OSError) as failure:
                faults.append(f"{server.service.name}: {failure}")
    return _section(settings, wanted, seconds, faults)


def _section(
    settings: Settings, wanted: Sequence[Service], seconds: Samples, faults: list[str]
) -> Section:
    columns = [service.contender for service in wanted]
    setting = (
        f"{MANY} requests at once, each of which waits {PAUSE * 1000:.0f} ms for async code, "
        f"uvicorn (Flask: gunicorn), {THREADS} threads, medians of {settings.rounds_or(5)} rounds, "
        f"{machine()}"
    )
    rows = grid({_ROW: _ROW}, columns, seconds.median, lambda v: "-" if v is None else f"{v:.3f}")
    limits = (("layer-loop", 0.2), ("layer-thread", 0.5))
    return Section(
        setting,
        [Table("Seconds until all are answered", columns, rows)],
        [
            Target(f"{_ROW}: {CONTENDERS[name].title}, seconds", limit, seconds.median(_ROW, name))
            for name, limit in limits
        ],
        faults=faults,
        data=as_lists(seconds),
    )


def _all_at_once(server: Running) -> float:
    """Seconds from the first request sent to the last answer received."""
    with ExitStack() as stack:
        connections = [Connection(server.port) for _ in range(MANY)]
        for connection in connections:
            stack.callback(connection.close)
        _ask_all(connections, "/json")
        started = time.perf_counter()
        _ask_all(connections, "/wait")
        return time.perf_counter() - started


def _ask_all(connections: Sequence[Connection], path: str) -> None:
    for connection in connections:
        connection.send(path)
    # Nobody is served later because another one's answer is read first.
    for connection in connections:
        connection.read()
