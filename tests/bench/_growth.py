"""What a request costs as the application grows around it."""

from __future__ import annotations

from ._driver import measure, Results
from ._plot import lines
from ._report import grid, machine, Section, Table, Target
from ._scenarios import GROWTH
from ._settings import Settings
from .apps.growth import _sizes as sizes

# What is left to noise and to a larger working set.
_FLAT = 1.15
_GROWING = {
    "routes, a static one asked for": {f"static-{n}": f"{n:,}" for n in sizes.ROUTES},
    "routes, one with an int": {f"int-{n}": f"{n:,}" for n in sizes.ROUTES},
    "blueprints": {f"blueprints-{n}": f"{n:,}" for n in sizes.BLUEPRINTS},
    "hooks elsewhere": {f"hooks-{n}": f"{n:,}" for n in sizes.HOOKS},
}


def run(settings: Settings) -> Section:
    """The same request among 1 to 10,000 routes, and beside more and more blueprints and hooks."""
    contenders = settings.chosen("quart", "layer-loop", "flask", "starlette", "quart022")
    loop = settings.loops[0]
    results = Results("growth", loop, settings.rounds_or(5), GROWTH, contenders)
    measure(results, settings.seconds(settings.budget), settings.say)
    titles = {key: scenario.title for key, scenario in GROWTH.items()}
    value, unit = results.micros.median, "CPU microseconds per request"
    title = "CPU time per request as the application grows"
    return Section(
        f"Medians of {results.rounds} rounds on {loop}, {machine()}",
        [Table(unit, contenders, grid(titles, contenders, value))],
        [_target(results, list(keys)) for keys in _GROWING.values()],
        {"performance-growth.svg": lines(title, unit, _GROWING, contenders, value)},
        results.faults(),
        results.as_json(),
    )


def _target(results: Results, keys: list[str]) -> Target:
    first, last = keys[0], keys[-1]
    what = f"Quart (here): {GROWTH[last].title} / {GROWTH[first].title}"
    return Target(what, _FLAT, results.micros.quotient((last, "quart"), (first, "quart")))
