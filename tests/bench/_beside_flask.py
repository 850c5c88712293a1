"""What Flask applications have always had: plain views, middleware, streams, the test client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ._contenders import Contender, versus
from ._driver import measure, Results
from ._environments import versions
from ._report import grid, machine, Section, Table, Target
from ._scenarios import SCENARIOS
from ._servers import running, Service
from ._settings import Settings
from ._wrk import as_lists, Job, Loads, require_wrk, services

_OURS, _THEIRS = "layer-thread", "flask"
_JSON = Job("JSON", lambda body: json.loads(body)["count"] == 3, "/json", connections=16)
_FIXED = replace(_JSON, title="the same behind ProxyFix")
_STREAM = Job(
    "a plain generator of 64 pieces of 16 KiB",
    lambda body: len(body) == 1 << 20,
    "/stream",
    connections=16,
)
_ASKED = "abdgk"


@dataclass(frozen=True)
class _Compared:
    """A job for each server; ``wanted`` is how many times as much of Flask's, on which."""

    job: Job
    wanted: Mapping[tuple[str, str], float]
    environ: Mapping[str, str] = field(default_factory=dict)

    def services(self, settings: Settings) -> list[Service]:
        ours, theirs = (dict.fromkeys(pair[at] for pair in self.wanted) for at in (0, 1))
        wanted = [each for server in ours for each in services(settings, server, _OURS)]
        wanted += [each for server in theirs for each in services(settings, server, _THEIRS)]
        return [replace(each, environ=self.environ) for each in wanted]

    def targets(self, loads: Loads) -> list[Target]:
        row, title = self.job.row, f"{self.job.title}, requests per processor second"
        return [
            Target(
                versus(title, _OURS, _THEIRS, on, theirs_on),
                limit,
                loads.efficiency((row(on), _OURS), (row(theirs_on), _THEIRS)),
                is_floor=True,
                is_main=True,
            )
            for (on, theirs_on), limit in self.wanted.items()
        ]


_COMPARED = (
    _Compared(
        _JSON,
        {
            ("uvicorn", "gunicorn"): 1.5,
            ("hypercorn", "gunicorn"): 1.5,
            ("granian", "granian (WSGI)"): 1.2,
        },
    ),
    _Compared(_FIXED, {("uvicorn", "gunicorn"): 2.0}, {"BENCH_PROXY_FIX": "1"}),
    _Compared(_STREAM, {("uvicorn", "gunicorn"): 2.0}),
)


def run(settings: Settings) -> Section:
    """Processor time on servers, in turns; then that of a request by the client, in processes."""
    require_wrk()
    loads = Loads()
    for each in _COMPARED:
        with running(each.services(settings)) as servers:
            loads.measure(settings, each.job, servers)
    results = _by_the_client(settings)
    unit, columns = "CPU microseconds per request", settings.chosen(_OURS, _THEIRS)
    rows = {row: row for row, _ in loads.micros}
    return Section(
        _setting(settings),
        [
            Table(unit, columns, grid(rows, columns, loads.micros.median)),
            Table(
                f"{unit}, by the test client",
                results.contenders,
                grid(results.titles, results.contenders, results.micros.median),
            ),
        ],
        [*(t for each in _COMPARED for t in each.targets(loads)), _target_of_the_client(results)],
        faults=[*loads.faults, *results.faults()],
        data={"micros": as_lists(loads.micros), "client": results.as_json()},
    )


def _by_the_client(settings: Settings) -> Results:
    scenarios = {key: SCENARIOS[key] for key in _ASKED}
    contenders = [_calling(each) for each in settings.chosen(_OURS, _THEIRS)]
    results = Results("scenarios", "asyncio", settings.rounds_or(7), scenarios, contenders)
    measure(results, settings.seconds(settings.budget), settings.say)
    return results


def _calling(contender: Contender) -> Contender:
    """Return *contender*, called by its own client, which knows of no place."""
    title = contender.title.removesuffix(", thread")
    return replace(contender, interface="client", title=title, settings=MappingProxyType({}))


def _setting(settings: Settings) -> str:
    found = versions("uvicorn", "hypercorn", "granian", "gunicorn", "flask", "werkzeug", "uvloop")
    return (
        f"wrk with one thread and {_JSON.connections} connections, one worker, gthread for"
        f" gunicorn, medians of {settings.rounds_or(3)} rounds; the client's of"
        f" {settings.rounds_or(7)}; {machine()}; {found}"
    )


def _target_of_the_client(results: Results) -> Target:
    got = results.micros.geometric(_ASKED, _OURS, _THEIRS)
    what = f"{', '.join(_ASKED)} by the test client: Flask app on the layer / Flask (WSGI)"
    return Target(f"{what}, geometric mean", 1.0, got)
