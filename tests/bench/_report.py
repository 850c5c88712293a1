"""Tables of the results: for the terminal, for the documentation, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from statistics import median
from typing import Any

from ._contenders import BASELINES, CONTENDERS
from ._driver import Results

START, END = "<!-- bench:start -->", "<!-- bench:end -->"
Rows = list[list[str]]


def micros(results: Results, scenario: str, contender: str) -> float | None:
    """The median over the rounds, or None where the contender has no result."""
    values = results.micros.get((scenario, contender))
    return median(values) if values else None


def ratio(results: Results, scenario: str, contender: str, baseline: str) -> float | None:
    """The median of the quotients within each round, which noise that lasts does not touch."""
    ours = results.micros.get((scenario, contender))
    theirs = results.micros.get((scenario, baseline))
    if not ours or not theirs:
        return None
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def _micros_rows(results: Results) -> Rows:
    def cell(scenario: str, contender: str) -> str:
        if (scenario, contender) in results.failures:
            return "fails" if _should_work(scenario, contender) else "-"
        value = micros(results, scenario, contender)
        return "-" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"

    return _rows(results, cell)


def _ratio_rows(results: Results, baseline: str) -> Rows:
    def cell(scenario: str, contender: str) -> str:
        value = ratio(results, scenario, contender, baseline)
        return "-" if value is None else f"{value:.2f}"

    return _rows(results, cell)


def _rows(results: Results, cell: Any) -> Rows:
    names = [contender.name for contender in results.contenders]
    return [
        [f"{scenario.key} {scenario.title}", *(cell(scenario.key, name) for name in names)]
        for scenario in results.scenarios
    ]


def _should_work(scenario: str, contender: str) -> bool:
    """Flask has no websockets, on the layer or off it; everything else must work."""
    return not (scenario in {"l", "n"} and contender in {"flask", "layer-thread", "layer-loop"})


def unexpected(results: Results) -> dict[tuple[str, str], str]:
    """The failures that are faults."""
    return {cell: why for cell, why in results.failures.items() if _should_work(*cell)}


def _sections(results: Results) -> Iterable[tuple[str, Rows]]:
    yield "CPU microseconds per request", _micros_rows(results)
    present = {contender.name for contender in results.contenders}
    for baseline in BASELINES:
        if baseline in present and len(present) > 1:
            title = f"Ratio to {CONTENDERS[baseline].title} in the same round"
            yield title, _ratio_rows(results, baseline)


def as_text(results: Results) -> str:
    """The tables as aligned columns, failures below."""
    header = ["", *(contender.name for contender in results.contenders)]
    parts = [
        f"{title} (median of {results.rounds} rounds, {results.loop})\n{_aligned([header, *rows])}"
        for title, rows in _sections(results)
    ]
    faults = [f"{key} {name}: {why}" for (key, name), why in unexpected(results).items()]
    return "\n\n".join([*parts, *(["\n".join(faults)] if faults else [])])


def _aligned(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def as_markdown(results: Results, plot: str) -> str:
    """What stands between the markers of the documentation."""
    header = ["scenario", *(contender.title for contender in results.contenders)]
    parts = [
        f"**{title}**\n\n{_markdown_table(header, rows)}" for title, rows in _sections(results)
    ]
    image = f"![CPU time per request of each scenario and contender]({plot})"
    return "\n\n".join([f"{_setting(results)}.", *parts, image])


def _markdown_table(header: list[str], rows: Rows) -> str:
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


def _setting(results: Results) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(results.versions.items()))
    return (
        f"Median of {results.rounds} rounds on {results.loop}, Python "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs; {versions}"
    )


def spliced(page: str, table: str) -> str:
    """``page`` with ``table`` between its two markers."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"expected {START} and {END} in the page, in this order: add them")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"


def as_json(results: Results) -> dict[str, Any]:
    """Everything that was measured, each round included."""
    names = [contender.name for contender in results.contenders]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "loop": results.loop,
        "rounds": results.rounds,
        "versions": results.versions,
        "scenarios": {
            scenario.key: {
                "title": scenario.title,
                "contenders": {name: _cell(results, scenario.key, name) for name in names},
            }
            for scenario in results.scenarios
        },
    }


def _cell(results: Results, scenario: str, contender: str) -> dict[str, Any]:
    if why := results.failures.get((scenario, contender)):
        return {"failure": why}
    return {
        "median": micros(results, scenario, contender),
        "rounds": results.micros.get((scenario, contender), []),
        "ratios": {
            base: value
            for base in BASELINES
            if (value := ratio(results, scenario, contender, base)) is not None
        },
    }
