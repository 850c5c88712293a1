"""What is counted of each endpoint of an application that is measured."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast, TYPE_CHECKING

from .._measured import EXTENSION, is_on, KEY
from . import histogram

if TYPE_CHECKING:
    from quart.app import Quart

#: The place of requests that the application's earlier self answers: see `migrate/beside.py`.
BESIDE = "flask"


@dataclass(slots=True)
class Visit:
    """What one connection takes, in seconds, while it is under way."""

    #: Steps on the event loop, and the longest of them.
    on_loop: float = 0.0
    longest_step: float = 0.0
    #: For how long it has a worker thread, and how much of that the thread works.
    in_threads: float = 0.0
    working: float = 0.0
    #: Until a thread is there.
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the connections of one endpoint, in one place, have taken so far; times in seconds."""

    #: None for what matches no URL.
    endpoint: str | None
    #: Where they ran, as `runs_in` names it; "here" is the thread of a WSGI server.
    place: str
    calls: int
    #: Answers of 500 and above, and exceptions.
    errors: int
    #: Clients that left before there was an answer.
    left: int
    #: All of the time until there was an answer.
    seconds: float
    #: What all of them took of the event loop, and the longest time without giving it back.
    on_loop: float
    longest_step: float
    #: For how long they had worker threads, and for how long these did nothing but wait.
    in_threads: float
    idle: float
    #: For how long they waited for a thread to be free.
    waited: float
    longest_wait: float
    counts: tuple[int, ...]

    @property
    def error_rate(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def gain(self) -> float:
        """What async views would not have: threads that wait, and waits for a thread."""
        return self.idle + self.waited

    def quantile(self, q: float) -> float | None:
        """Return the time within which the part *q* of them were answered, to 5 %."""
        return histogram.quantile(self.counts, q)


class Record:
    """The counts of one endpoint in one place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = self._errors = self._left = 0
        self._seconds = self._longest_wait = 0.0
        self._sum = Visit()
        self._counts = [0] * histogram.SIZE

    def add(self, visit: Visit, seconds: float, failed: bool, left: bool) -> None:
        total, index = self._sum, histogram.index_of(seconds)
        with self._lock:
            self._calls += 1
            self._errors += failed
            self._left += left
            self._seconds += seconds
            self._counts[index] += 1
            total.on_loop += visit.on_loop
            total.in_threads += visit.in_threads
            total.working += visit.working
            total.waited += visit.waited
            if visit.longest_step > total.longest_step:
                total.longest_step = visit.longest_step
            if visit.waited > self._longest_wait:
                self._longest_wait = visit.waited

    def taken(self, endpoint: str | None, place: str) -> Endpoint:
        """Return the counts as they are now."""
        with self._lock:
            total = self._sum
            return Endpoint(
                endpoint,
                place,
                self._calls,
                self._errors,
                self._left,
                self._seconds,
                total.on_loop,
                total.longest_step,
                total.in_threads,
                max(0.0, total.in_threads - total.working),
                total.waited,
                self._longest_wait,
                tuple(self._counts),
            )


class Table:
    """The records of one application: as many as it has endpoints, however many URLs are asked."""

    def __init__(self) -> None:
        self._records: dict[tuple[str | None, str], Record] = {}

    def record(self, endpoint: str | None, place: str) -> Record:
        key = endpoint, place
        record = self._records.get(key)
        if record is None:
            record = self._records.setdefault(key, Record())
        return record

    def taken(self) -> list[Endpoint]:
        return [record.taken(*key) for key, record in list(self._records.items())]


@dataclass(frozen=True, slots=True)
class Difference:
    """How often one endpoint fails here, and how often in the application beside this one."""

    endpoint: str | None
    calls: int
    calls_beside: int
    error_rate: float
    error_rate_beside: float

    @property
    def more_errors(self) -> float:
        """By how much the rate is higher here; below zero if it is lower."""
        return self.error_rate - self.error_rate_beside


class Endpoints(list[Endpoint]):
    """What is known of each endpoint, first what would gain most from becoming async."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        super().__init__(sorted(endpoints, key=lambda each: (-each.gain, -each.seconds)))

    def prometheus(self) -> str:
        """Write this in the text format of Prometheus."""
        from .prometheus import text

        return text(self)

    def differences(self) -> list[Difference]:
        """Compare how often this application and the one beside it fail, worst first.

        Of endpoints that both have answered.
        """
        beside = {each.endpoint: each for each in self if each.place == BESIDE}
        found = []
        for endpoint, other in beside.items():
            here = [each for each in self if each.endpoint == endpoint and each.place != BESIDE]
            if calls := sum(each.calls for each in here):
                rate = sum(each.errors for each in here) / calls
                found.append(Difference(endpoint, calls, other.calls, rate, other.error_rate))
        return sorted(found, key=lambda each: -each.more_errors)


def table_of(app: Quart, otherwise: Table | None = None) -> Table:
    """Return the table of *app*; if it has none, it gets *otherwise* or a new one."""
    table = app.extensions.get(EXTENSION)
    if table is None:
        table = app.extensions[EXTENSION] = otherwise or Table()
    return cast(Table, table)


def measure(app: Quart) -> None:
    """Measure the endpoints of *app* from now on; so does `app.config["MEASURE_ENDPOINTS"]`."""
    table_of(app)
    app._plans.clear()


def endpoints(app: Quart) -> Endpoints:
    """Return what was measured of each endpoint of *app* in this process.

    Raises:
        RuntimeError: if *app* is not measured.
    """
    if not is_on(app):
        raise RuntimeError(
            f"Expected an application that is measured, got {app.name!r}, which is not. Call"
            " quart_flask_patch.measure(app) when you have made it, or set"
            f' app.config["{KEY}"] = True.'
        )
    return Endpoints(table_of(app).taken())
