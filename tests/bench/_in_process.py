"""What a request costs in the framework itself: no server, no socket."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean, median

from ._contenders import Contender, CONTENDERS, PLAIN
from ._driver import measure, Results
from ._environments import versions
from ._plot import dots
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples
from ._scenarios import SCENARIOS
from ._settings import Settings

CORE = tuple("abcdefghijkl")
_VISITED = ("layer-thread", "layer-visit", "layer-loop", "flask")


def run(settings: Settings) -> Section:
    """Each scenario in each contender, on each loop."""
    section = Section()
    contenders = settings.chosen(*CONTENDERS)
    scenarios = {key: SCENARIOS[key] for key in settings.scenarios or SCENARIOS}
    for loop in settings.loops:
        results = Results("scenarios", loop, settings.rounds_or(7), scenarios, contenders)
        measure(results, settings.seconds(settings.budget), settings.say)
        section.setting = _setting(results)
        section.tables += _tables(results)
        section.targets += _targets(results)
        section.faults += [f"{fault} ({loop})" for fault in results.faults()]
        section.data[loop] = results.as_json()
        if results.micros and not section.plots:
            section.plots["performance.svg"] = _plot(results)
    return section


def _setting(results: Results) -> str:
    found = versions(
        *("flask", "werkzeug", "jinja2", "itsdangerous", "asgiref", "greenlet", "uvloop"),
        *("starlette", "python-multipart", "quart"),
    )
    return f"Medians of {results.rounds} rounds, {machine()}; {found}"


def _tables(results: Results) -> list[Table]:
    columns, loop, micros = results.contenders, results.loop, results.micros
    rows = grid(results.titles, columns, micros.median)
    tables = [Table(f"CPU microseconds per request, {loop}", columns, rows)]
    for base in ("starlette", "flask"):
        if base in {column.name for column in columns}:
            title = f"Ratio to {CONTENDERS[base].title} in the same round, {loop}"
            tables.append(Table(title, columns, _ratio_rows(results, base)))
    return tables


def _ratio_rows(results: Results, base: str) -> list[list[str]]:
    def value(row: str, column: str) -> float | None:
        return results.micros.ratio(row, column, base)

    def mean(row: str, column: str) -> float | None:
        both = CONTENDERS[column], CONTENDERS[base]
        if any(contender.only for contender in both):
            return None
        asked = [key for key in CORE if key in results.scenarios]
        rows = [key for key in asked if all(map(results.scenarios[key].suits, both))]
        return results.micros.geometric(rows, column, base)

    rows = grid(results.titles, results.contenders, value, _two_digits)
    title = {"": "geometric mean of a to l, or of those both have"}
    return rows + grid(title, results.contenders, mean, _two_digits)


def _two_digits(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _targets(results: Results) -> list[Target]:
    micros, loop = results.micros, results.loop

    def mean(rows: Sequence[str], ours: str, theirs: str, limit: float) -> Target:
        what = f"{_span(rows)}: {CONTENDERS[ours].title} / {CONTENDERS[theirs].title}"
        got = micros.geometric(rows, ours, theirs)
        return Target(f"{what}, geometric mean, {loop}", limit, got)

    def worst(rows: Sequence[str], ours: str, theirs: str, limit: float) -> Target:
        what = f"{_span(rows)}: {CONTENDERS[ours].title} / {CONTENDERS[theirs].title}"
        found = micros.ratios(rows, ours, theirs)
        row = max(found, key=lambda key: found[key]) if len(found) == len(rows) else ""
        return Target(f"{what}, each, {loop}", limit, found.get(row), remark=row)

    return [
        mean(CORE, "quart", "starlette", 0.75),
        worst(CORE, "quart", "starlette", 1.5),
        mean(CORE, "quart", "quart022", 0.2),
        worst(("l", "n"), "quart", "starlette", 1.0),
        mean(PLAIN, "layer-loop", "flask", 0.8),
        worst(PLAIN, "layer-loop", "flask", 0.8),
        mean(PLAIN, "layer-thread", "flask", 1.0),
        worst(PLAIN, "layer-thread", "flask", 1.0),
        Target(
            f"{_span(PLAIN)}: the same / (0.8 Flask + a visit to a thread), geometric mean, {loop}",
            1.0,
            _beside_the_visit(micros),
        ),
        worst(("f",), "quart", "parts", 1.15),
        worst(("i", "m"), "quart", "parts", 1.2),
    ]


def _beside_the_visit(micros: Samples) -> float | None:
    """The thread's place beside what it is allowed: 0.8 of Flask's and a visit to a thread.

    What the visit adds is measured with the same requests on the loop.
    """
    if any((row, name) not in micros for row in PLAIN for name in _VISITED):
        return None
    ratios = []
    for row in PLAIN:
        rounds = zip(*(micros[row, name] for name in _VISITED), strict=True)
        ratios.append(
            median(ours / (0.8 * flask + visit - loop) for ours, visit, loop, flask in rounds)
        )
    return geometric_mean(ratios)


def _span(rows: Sequence[str]) -> str:
    return "a to l" if tuple(rows) == CORE else ", ".join(rows)


def _plot(results: Results) -> str:
    title = f"CPU time per request of each scenario and contender, {results.loop}"
    columns: list[Contender] = results.contenders
    unit = "CPU microseconds per request"
    return dots(title, unit, results.titles, columns, results.micros.median)
