"""What a measurement has to say, and how it is written: for the terminal, the page, as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

Rows = list[list[str]]


class Column(Protocol):
    """What a column, or a colour in a plot, stands for."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def is_ours(self) -> bool: ...


@dataclass(frozen=True)
class Table:
    """Titled rows below the columns' names (terminal) or titles (page)."""

    title: str
    columns: Sequence[Column]
    rows: Rows


@dataclass(frozen=True)
class Target:
    """A claim to earn: ``got`` is to be at most ``limit``, or at least.

    Those that are ``is_main`` are said again where the page begins.
    """

    what: str
    limit: float
    got: float | None
    is_floor: bool = False
    is_main: bool = False
    remark: str = ""

    @property
    def verdict(self) -> str:
        if self.got is None:
            return "not measured"
        return "met" if self.is_met_by(self.got) else "missed"

    def is_met_by(self, got: float) -> bool:
        return got >= self.limit if self.is_floor else got <= self.limit

    def by_each(self, found: Mapping[str, float | None]) -> Target:
        """The same of several: the worst of them counts, and those that miss it are named."""
        known = {key: value for key, value in found.items() if value is not None}
        if not known or len(known) < len(found):
            return self
        # Worst first.
        order = sorted(known, key=lambda key: known[key], reverse=not self.is_floor)
        missing = [key for key in order[1:] if not self.is_met_by(known[key])]
        remark = "; ".join([order[0], *(f"{key} {figure(known[key])}" for key in missing)])
        return replace(self, got=known[order[0]], remark=remark)

    def cells(self) -> list[str]:
        sign = "at least" if self.is_floor else "at most"
        got = (
            "-" if self.got is None else f"{figure(self.got)}{self.remark and f' ({self.remark})'}"
        )
        return [self.what, f"{sign} {self.limit:g}", got, self.verdict]


@dataclass
class Section:
    """Everything that one measurement found; a fault is a wrong answer, or none."""

    setting: str = ""
    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


def figure(value: float | None) -> str:
    """Three digits that matter, and a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def grid(
    rows: Mapping[str, str],
    columns: Sequence[Column],
    value: Callable[[str, str], float | None],
    show: Callable[[float | None], str] = figure,
) -> Rows:
    """A row for each key, titled; in it what ``value`` says of the key and the column's name."""
    return [
        [title, *(show(value(key, column.name)) for column in columns)]
        for key, title in rows.items()
    ]


def machine() -> str:
    """Where it was measured."""
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} CPUs"
    )


TARGET_HEADER = ["target", "wanted", "measured", ""]
# What marks a main target in the page, where the summary finds it.
MAIN = "**"


def as_text(section: Section) -> str:
    """Aligned tables, then the targets, then the faults."""
    parts = [f"{t.title}\n{_aligned([_names(t), *t.rows])}" for t in section.tables]
    if section.targets:
        parts.append(_aligned([TARGET_HEADER, *(target.cells() for target in section.targets)]))
    return "\n\n".join([section.setting, *parts, *section.faults])


def _names(table: Table) -> list[str]:
    return ["", *(column.name for column in table.columns)]


def _aligned(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def as_markdown(section: Section) -> str:
    """What stands between a measurement's two markers in the documentation."""
    parts = [f"{section.setting}."]
    if section.targets:
        parts.append(markdown(TARGET_HEADER, map(_target_cells, section.targets)))
    for table in section.tables:
        header = ["", *(column.title for column in table.columns)]
        parts.append(f"**{table.title}**\n\n{markdown(header, table.rows)}")
    parts += [f"![{_alternative(svg)}]({name})" for name, svg in section.plots.items()]
    return "\n\n".join(parts)


def _target_cells(target: Target) -> list[str]:
    what, *rest = target.cells()
    return [f"{MAIN}{what}{MAIN}" if target.is_main else what, *rest]


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


def _alternative(svg: str) -> str:
    return svg.partition("<title>")[2].partition("</title>")[0]


def markers(name: str) -> tuple[str, str]:
    """The lines of the page that a measurement's results stand between."""
    return f"<!-- bench:{name}:start -->", f"<!-- bench:{name}:end -->"


def spliced(page: str, name: str, text: str) -> str:
    """``page`` with ``text`` between the two markers of the measurement."""
    start, end = markers(name)
    before, first, rest = page.partition(start)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"expected {start} and {end} in the page, in this order: add them")
    return f"{before}{start}\n\n{text}\n\n{end}{after}"


def as_json(section: Section) -> dict[str, Any]:
    """The targets and everything that was measured, each round included."""
    return {
        "setting": section.setting,
        "targets": [[*target.cells()] for target in section.targets],
        "faults": section.faults,
        **section.data,
    }
