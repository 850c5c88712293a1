"""The counts kept for each endpoint of an application that is measured."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast, TYPE_CHECKING

from .._measured import EXTENSION, is_on, KEY
from . import histogram

if TYPE_CHECKING:
    from quart.app import Quart

#: The place of requests that the old application answers: see `migrate/beside.py`.
BESIDE = "flask"


@dataclass(slots=True)
class Visit:
    """What one connection has taken so far, in seconds."""

    #: The time of all its steps on the event loop, and of the longest one.
    on_loop: float = 0.0
    longest_step: float = 0.0
    #: How long it had a worker thread, and for how much of that the thread used the CPU.
    in_threads: float = 0.0
    working: float = 0.0
    #: How long it waited for a thread.
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the connections of one endpoint in one place have taken so far; times in seconds."""

    #: None for requests that match no rule.
    endpoint: str | None
    #: Where they ran, as `runs_in` names it; "here" is a WSGI server's thread.
    place: str
    calls: int
    #: The number of responses with a status of 500 or more, and of exceptions.
    errors: int
    #: The number of clients that left before there was a response.
    left: int
    #: The time from each request to its response, summed up.
    seconds: float
    #: The time of all their steps on the event loop, and of the longest one.
    on_loop: float
    longest_step: float
    #: How long they had worker threads, and how much of that those spent waiting.
    in_threads: float
    idle: float
    #: How long they waited for a free thread, in sum and at most.
    waited: float
    longest_wait: float
    counts: tuple[int, ...]

    @property
    def error_rate(self) -> float:
        return self.errors / self.calls if self.calls else 0.0

    @property
    def gain(self) -> float:
        """What async views would save: time of threads that wait, and waits for a thread."""
        return self.idle + self.waited

    def quantile(self, q: float) -> float | None:
        """Return the seconds within which the share *q* (0 to 1) was answered, to 5 %."""
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
        """Return a copy of the counts as they are now."""
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
    """The records of one application; their number grows with its endpoints, not with URLs."""

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
        """How much higher the rate of errors is here; negative if it is lower."""
        return self.error_rate - self.error_rate_beside


class Endpoints(list[Endpoint]):
    """A list of endpoints; those that would gain most from becoming async come first."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        super().__init__(sorted(endpoints, key=lambda each: (-each.gain, -each.seconds)))

    def prometheus(self) -> str:
        """Return this in Prometheus' text format."""
        from .prometheus import text

        return text(self)

    def differences(self) -> list[Difference]:
        """Compare the rates of errors here and in the application beside this one, worst first.

        Endpoints that only one of the two has answered are left out.
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
    """Return the table of *app*; if it has none, give it *otherwise* or a new one."""
    table = app.extensions.get(EXTENSION)
    if table is None:
        table = app.extensions[EXTENSION] = otherwise or Table()
    return cast(Table, table)


def measure(app: Quart) -> None:
    """Measure the endpoints of *app* from now on; so does `app.config["MEASURE_ENDPOINTS"]`."""
    table_of(app)
    app._plans.clear()


def endpoints(app: Quart) -> Endpoints:
    """Return what was measured for each endpoint of *app* in this process.

    Raises:
        RuntimeError: if *app* is not measured; call `measure(app)` first.
    """
    if not is_on(app):
        raise RuntimeError(
            f"Expected an application that is measured, got {app.name!r}, which is not. Call"
            " quart_flask_patch.measure(app) when you have made it, or set"
            f' app.config["{KEY}"] = True.'
        )
    return Endpoints(table_of(app).taken())
