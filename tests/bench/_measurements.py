"""The measurements by name, in the order in which they are run and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import (
    _beside_flask,
    _concurrency,
    _files,
    _films,
    _growth,
    _in_process,
    _latency,
    _memory,
    _on_servers,
    _startup,
)
from ._report import Section
from ._settings import Settings


@dataclass(frozen=True)
class Measurement:
    """Something to measure; ``name`` is on the command line and in the page's markers."""

    name: str
    about: str
    run: Callable[[Settings], Section]


_ALL = (
    Measurement("in-process", "CPU time per request, no server, no socket", _in_process.run),
    Measurement("servers", "requests per second over loopback", _on_servers.run),
    Measurement("wsgi", "plain views, middleware, streams, the test client", _beside_flask.run),
    Measurement("files", "`send_file` on servers", _files.run),
    Measurement("concurrency", "400 views at once that wait for async code", _concurrency.run),
    Measurement("films", "an application on PostgreSQL, on servers", _films.run),
    Measurement("growth", "CPU time per request as the application grows", _growth.run),
    Measurement("memory", "idle websockets, and a GiB in and out", _memory.run),
    Measurement("latency", "an async view while all threads are blocked", _latency.run),
    Measurement("startup", "imports, and the demo's first answer", _startup.run),
)
MEASUREMENTS = {measurement.name: measurement for measurement in _ALL}
