"""What Flask applications have always had: middleware, small files, the test client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from ._contenders import Contender, CONTENDERS
from ._driver import measure, Results
from ._environments import versions
from ._report import grid, machine, Section, Table, Target
from ._scenarios import SCENARIOS
from ._servers import running, Service
from ._settings import Settings
from ._wrk import as_lists, Job, Loads, require_wrk

_KIB = 4
_PLAIN = Job("a plain view", lambda body: json.loads(body)["count"] == 3, "/json", connections=16)
_FIXED = replace(_PLAIN, title="the same behind ProxyFix")
_FILE = Job(
    f"`send_file` of {_KIB} KiB", lambda body: len(body) == _KIB * 1024, "/file", connections=16
)
_LARGER = replace(
    _FILE,
    title="`send_file` of 100 KiB",
    is_right=lambda body: len(body) == 102400,
    path="/file/100",
)
_STREAM = Job(
    "a plain generator of 64 pieces of 16 KiB",
    lambda body: len(body) == 1 << 20,
    "/stream",
    connections=16,
)
_PLAN = {
    _PLAIN: {},
    _FIXED: {"BENCH_PROXY_FIX": "1"},
    _FILE: {},
    _LARGER: {},
    _STREAM: {},
}
#: How many times as many requests per processor second as Flask's, at least.
_WANTED = {_FIXED: 2.0, _FILE: 1.5, _LARGER: 1.5, _STREAM: 2.0}
_ON = {"layer-thread": "uvicorn", "flask": "gunicorn"}
_ASKED = tuple("abdgk")


def run(settings: Settings) -> Section:
    """Processor time on servers, in turns; then that of a request by the client, in processes."""
    require_wrk()
    loads = Loads()
    columns = settings.chosen(*_ON)
    for job, environ in _PLAN.items():
        wanted = [Service(each, _ON[each.name], environ=environ) for each in columns]
        with running(wanted) as servers:
            loads.measure(settings, job, servers)
    results = _by_the_client(settings)
    unit = "CPU microseconds per request"
    rows = {job.title: job.title for job in _PLAN}
    return Section(
        _setting(settings),
        [
            Table(f"{unit}, on a server", columns, grid(rows, columns, _found(loads))),
            Table(
                f"{unit}, by the test client",
                results.contenders,
                grid(results.titles, results.contenders, results.micros.median),
            ),
        ],
        [*_targets_on_servers(loads), _target_of_the_client(results)],
        faults=[*loads.faults, *results.faults()],
        data={"micros": as_lists(loads.micros), "client": results.as_json()},
    )


def _found(loads: Loads) -> Callable[[str, str], float | None]:
    def micros(title: str, name: str) -> float | None:
        return loads.micros.median(f"{title} on {_ON[name]}", name)

    return micros


def _by_the_client(settings: Settings) -> Results:
    scenarios = {key: SCENARIOS[key] for key in _ASKED}
    contenders = [_calling(each) for each in settings.chosen(*_ON)]
    results = Results("scenarios", "asyncio", settings.rounds_or(7), scenarios, contenders)
    measure(results, settings.seconds(settings.budget), settings.say)
    return results


def _calling(contender: Contender) -> Contender:
    """Return *contender*, called by its own client, which knows of no place."""
    title = contender.title.removesuffix(", thread")
    return replace(contender, interface="client", title=title, settings=MappingProxyType({}))


def _setting(settings: Settings) -> str:
    found = versions("uvicorn", "gunicorn", "flask", "werkzeug", "uvloop")
    return (
        f"wrk with one thread and {_PLAIN.connections} connections, one worker, gthread for"
        f" gunicorn, medians of {settings.rounds_or(3)} rounds; the client's of"
        f" {settings.rounds_or(7)}; {machine()}; {found}"
    )


def _targets_on_servers(loads: Loads) -> list[Target]:
    layer, flask = CONTENDERS["layer-thread"], CONTENDERS["flask"]
    return [
        Target(
            f"{job.title}, requests per processor second: {layer.title} on uvicorn /"
            f" {flask.title} on gunicorn",
            wanted,
            loads.micros.quotient(
                (job.row("gunicorn"), flask.name), (job.row("uvicorn"), layer.name)
            ),
            is_floor=True,
        )
        for job, wanted in _WANTED.items()
    ]


def _target_of_the_client(results: Results) -> Target:
    got = results.micros.geometric(_ASKED, "layer-thread", "flask")
    what = f"{', '.join(_ASKED)} by the test client: Flask app on the layer / Flask"
    return Target(f"{what}, geometric mean", 1.0, got)
