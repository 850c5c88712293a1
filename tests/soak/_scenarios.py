"""The scenarios by name."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import forks, identities, mixed, shutdown
from ._served import serving_of
from ._state import MIB, State
from .disconnects import leaving, STAGES


@dataclass(frozen=True)
class Run:
    """A run of a scenario that has ended without an error."""

    scenario: str
    server: str
    place: str
    seed: int
    seconds: float = 0.0
    done: dict[str, int] = field(default_factory=dict)
    #: The state of its process before and after, if the scenario looks at it.
    memory: tuple[float, float] | None = None
    threads: tuple[int, int] | None = None
    files: tuple[int, int] | None = None
    objects: tuple[int, int] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.scenario, self.server, self.place

    @property
    def total(self) -> int:
        return sum(self.done.values())

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Scenario:
    """A scenario, with the count for a long run."""

    run: Callable[[Run, int, Path], Run]
    count: int


def _finished(
    run: Run, since: float, done: Counter[str], states: tuple[State, State] | None = None
) -> Run:
    values = {"seconds": round(time.monotonic() - since, 1), "done": dict(sorted(done.items()))}
    if states is None:
        return Run(run.scenario, run.server, run.place, run.seed, **values)  # type: ignore[arg-type]
    before, after = states
    return Run(
        *(run.scenario, run.server, run.place, run.seed),
        **values,  # type: ignore[arg-type]
        memory=(round(before.memory / MIB, 1), round(after.memory / MIB, 1)),
        threads=(before.threads, after.threads),
        files=(before.files, after.files),
        objects=(before.all_objects, after.all_objects),
    )


def _measured(
    work: Callable[[Run], mixed.Work], warm_up: int = mixed.WARM_UP
) -> Callable[[Run, int, Path], Run]:
    def measure(run: Run, count: int, log: Path) -> Run:
        since = time.monotonic()
        with serving_of(run.server, run.place, log, "_mixed") as (server, _):
            done, *states = mixed.measured(work(run), server.port, count, run.seed, warm_up)
        return _finished(run, since, done, (states[0], states[1]))

    return measure


def _identities(run: Run, count: int, log: Path) -> Run:
    since = time.monotonic()
    with serving_of(run.server, run.place, log) as (server, serving):
        done = identities.run(server.port, serving.http_version, count, run.seed)
    return _finished(run, since, done)


def _websockets(run: Run) -> mixed.Work:
    return mixed.websockets(mixed.websocket_paths(run.place))


def _shutdown(run: Run, count: int, log: Path) -> Run:
    since = time.monotonic()
    return _finished(run, since, shutdown.repeated(run.server, run.place, count, run.seed, log))


def _forks(run: Run, count: int, log: Path) -> Run:
    since = time.monotonic()
    done, before, after = forks.run(run.place, count)
    return _finished(run, since, done, (before, after))


SCENARIOS = {
    "identities": Scenario(_identities, 50_000),
    "requests": Scenario(_measured(lambda run: mixed.requests), 300_000),
    "websockets": Scenario(_measured(_websockets, 1_000), 20_000),
    "contexts": Scenario(_measured(lambda run: mixed.contexts), 200_000),
    "disconnects": Scenario(
        _measured(lambda run: leaving(run.server), 4 * len(STAGES)), 100 * len(STAGES)
    ),
    "shutdown": Scenario(_shutdown, 20),
    # Without a server.
    "forks": Scenario(_forks, 200),
}
