"""Requests per second over loopback: JSON, and a plain view that blocks."""

from __future__ import annotations

import json

from ._contenders import CONTENDERS, versus
from ._environments import versions
from ._report import machine, Section, Target
from ._servers import PINNED, running, THREADS
from ._settings import Settings
from ._wrk import Job, Loads, require_wrk, services

BLOCKED = 10
JSON = Job("JSON", lambda body: json.loads(body)["count"] == 3, "/json")
BLOCK = Job(f"view that blocks {BLOCKED} ms", lambda body: body == b"done", f"/block/{BLOCKED}")
# Which contender answers what, on which server.
_ASYNC = ("quart", "layer-thread", "starlette", "quart022")
_PLAN = {
    JSON: {"granian": _ASYNC, "uvicorn": _ASYNC, "hypercorn": _ASYNC, "gunicorn": ("flask",)},
    BLOCK: {"granian": ("layer-thread",), "uvicorn": _ASYNC, "gunicorn": ("flask",)},
}
# Whether the server and wrk share the processors, or the server has one of its own.
_PINNED = {JSON: (False,), BLOCK: (False, True)}


def run(settings: Settings) -> Section:
    """One worker each, in turns."""
    require_wrk()
    loads = Loads()
    for job, places in _PLAN.items():
        wanted = [
            service
            for is_pinned in _PINNED[job]
            for place in places
            for service in services(settings, place, *places[place], is_pinned=is_pinned)
        ]
        with running(wanted) as servers:
            loads.measure(settings, job, servers)
    columns = settings.chosen("quart", "layer-thread", "flask", "starlette", "quart022")
    section = loads.report("servers", "Requests per second on servers", columns)
    section.setting = _setting(settings)
    section.targets = [*_json_targets(loads), *_block_targets(loads)]
    return section


def _setting(settings: Settings) -> str:
    found = versions("uvicorn", "httptools", "granian", "hypercorn", "gunicorn", "uvloop")
    return (
        f"wrk with one thread and {JSON.connections} connections, one worker, {THREADS} threads "
        f"for plain views, medians of {settings.rounds_or(3)} rounds, {machine()}; {found}"
    )


def _json_targets(loads: Loads) -> list[Target]:
    return [
        Target(
            versus(JSON.title, "quart", "starlette", server, server),
            0.8,
            loads.per_second.ratio(JSON.row(server), "quart", "starlette"),
            is_floor=True,
        )
        for server in ("granian", "uvicorn")
    ]


def _block_targets(loads: Loads) -> list[Target]:
    ideal = THREADS * 1000 / BLOCKED
    found = []
    for how in ("", PINNED):
        for on, name in (
            (f"uvicorn{how}", "layer-thread"),
            (f"granian{how}", "layer-thread"),
            (f"uvicorn{how}", "quart"),
        ):
            cell, flask_on = (BLOCK.row(on), name), f"gunicorn{how}"
            rate = loads.per_second.median(*cell)
            ratio = loads.per_second.quotient(cell, (BLOCK.row(flask_on), "flask"))
            title = f"{BLOCK.title}: {CONTENDERS[name].title} on {on} / {ideal:.0f} a second"
            beside = versus(BLOCK.title, name, "flask", on, flask_on)
            found += [
                Target(title, 0.9, rate / ideal if rate else None, is_floor=True),
                Target(beside, 1.0, ratio, is_floor=True),
            ]
    return found
