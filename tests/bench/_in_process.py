"""What a request costs in the framework itself: no server, no socket."""

from __future__ import annotations

from dataclasses import replace

from ._contenders import Contender, CONTENDERS, versus
from ._driver import measure, Results
from ._environments import versions
from ._plot import dots
from ._report import grid, machine, Section, Table, Target
from ._scenarios import SCENARIOS
from ._settings import Settings

CORE, FLASK = "abcdefghijkl", "abcdefghijk"
MAIN_LOOP = "uvloop"


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
    def mean(rows: str, span: str, ours: str, theirs: str, limit: float) -> Target:
        got = results.micros.geometric(rows, ours, theirs)
        return Target(what(span, ours, theirs, "geometric mean"), limit, got)

    def each(rows: str, span: str, ours: str, theirs: str, limit: float) -> Target:
        found = {row: results.micros.ratio(row, ours, theirs) for row in rows}
        return Target(what(span, ours, theirs, "each"), limit, None).by_each(found)

    def what(span: str, ours: str, theirs: str, how: str) -> str:
        return f"{versus(span, ours, theirs)}, {how}, {results.loop}"

    main = [
        mean(CORE, "a to l", "quart", "starlette", 0.6),
        each(f"{CORE}m", "a to m", "quart", "starlette", 1.0),
        mean(FLASK, "a to k", "layer-loop", "flask", 0.5),
        each(FLASK, "a to k", "layer-loop", "flask", 1.0),
        mean(FLASK, "a to k", "layer-thread", "flask", 1.0),
        each("h", "h", "layer-thread", "flask", 1.5),
        each(FLASK.replace("h", ""), "a to k but h", "layer-thread", "flask", 1.2),
        mean(CORE, "a to l", "quart", "quart022", 0.2),
    ]
    return [
        *(replace(target, is_main=results.loop == MAIN_LOOP) for target in main),
        each("n", "n", "quart", "starlette", 1.0),
        each("f", "f", "quart", "parts", 1.15),
        each("im", "i, m", "quart", "parts", 1.2),
    ]


def _plot(results: Results) -> str:
    title = f"CPU time per request of each scenario and contender, {results.loop}"
    columns: list[Contender] = results.contenders
    unit = "CPU microseconds per request"
    return dots(title, unit, results.titles, columns, results.micros.median)
