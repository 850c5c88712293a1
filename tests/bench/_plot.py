"""Plots as SVG, in the reader's light or dark colours: dots on a line, and lines that grow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from ._report import Column, figure

Value = Callable[[str, str], float | None]
LEFT, RIGHT, WIDTH, ROW, LINE = 300, 30, 960, 30, 22
# An image cannot ask the page for its colours, so ground and ink change together.
STYLE = """<style>
.ground { fill: #fff } text { fill: #222 } .mark { stroke: #fff }
.grid { stroke: #ddd } .span { stroke: #999 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #16191d } text { fill: #dde1e6 } .mark { stroke: #16191d }
  .grid { stroke: #353b43 } .span { stroke: #78828e }
}
</style>"""


class _Scale:
    """Values to pixels between ``start`` and ``end``, as logarithms, some room around them."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        if not values:
            raise ValueError("expected at least one measurement to draw, got none: see the faults")
        self._low, self._high = math.log10(min(values) / 1.2), math.log10(max(values) * 1.2)
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [tick for tick in ticks if self._low <= math.log10(tick) <= self._high]


def dots(
    title: str, unit: str, rows: Mapping[str, str], columns: Sequence[Column], value: Value
) -> str:
    """One line for each row, on it one mark for each column, the value on a log scale."""
    found = {
        key: [(v, column) for column in columns if (v := value(key, column.name)) is not None]
        for key in rows
    }
    rows = {key: label for key, label in rows.items() if found[key]}
    legend, top = _legend(columns)
    scale = _Scale([v for each in found.values() for v, _ in each], LEFT, WIDTH - RIGHT)
    bottom = top + ROW * len(rows)
    parts = [*legend, *_axis(scale, unit, top, bottom)]
    for at, (key, label) in enumerate(rows.items()):
        y = top + ROW * (at + 0.5)
        parts.append(_text(LEFT - 12, y + 4, label.replace("`", ""), "end"))
        parts += _marks(found[key], scale, y)
    return _svg(title, bottom + 40, parts)


def lines(
    title: str,
    unit: str,
    groups: Mapping[str, Mapping[str, str]],
    columns: Sequence[Column],
    value: Value,
) -> str:
    """Points from left to right, joined within a titled group, for each column, on a log scale."""
    legend, top = _legend(columns)
    keys = [key for group in groups.values() for key in group]
    values = [v for k in keys for c in columns if (v := value(k, c.name)) is not None]
    scale, bottom = _Scale(values, top + 320, top), top + 320
    parts = [*legend, *_side_axis(scale, unit)]
    step = (WIDTH - 100 - RIGHT) / (len(keys) + len(groups) - 1)
    x = 100 + step / 2
    for name, group in groups.items():
        places = {key: x + step * at for at, key in enumerate(group)}
        parts += [_text(places[k], bottom + 22, label, "middle") for k, label in group.items()]
        for column in sorted(columns, key=lambda each: each.is_ours):
            path = {key: v for key in group if (v := value(key, column.name)) is not None}
            points = [(places[key], scale.at(v), v) for key, v in path.items()]
            parts += _joined(column, points)
        parts.append(_text(x + step * (len(group) - 1) / 2, bottom + 42, name, "middle"))
        x += step * (len(group) + 1)
    return _svg(title, bottom + 60, parts)


def _svg(title: str, height: float, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="system-ui, sans-serif" '
        f'font-size="13" role="img"><title>{escape(title)}</title>'
    )
    ground = f'<rect class="ground" width="{WIDTH}" height="{height:.0f}"/>'
    return "\n".join([head, STYLE, ground, *parts, "</svg>", ""])


def _legend(columns: Sequence[Column]) -> tuple[list[str], float]:
    """The marks and their names, and how far down the plot may begin."""
    parts, x, y = [], 20.0, 24.0
    for column in columns:
        width = 34 + 7.2 * len(column.title)
        if x > 20 and x + width > WIDTH:
            x, y = 20.0, y + LINE
        parts += [_mark(column, x, y, column.title), _text(x + 12, y + 4, column.title, "start")]
        x += width
    return parts, y + 30


def _axis(scale: _Scale, unit: str, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x = scale.at(tick)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{bottom}"/>'
        yield _text(x, bottom + 16, f"{tick:g}", "middle")
    yield _text(LEFT - 26, bottom + 16, f"{unit}, log scale", "end")


def _side_axis(scale: _Scale, unit: str) -> Iterator[str]:
    for tick in scale.ticks():
        y = scale.at(tick)
        yield f'<line class="grid" x1="80" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(70, y + 4, f"{tick:g}", "end")
    yield f'<g transform="translate(18 200) rotate(-90)">{_text(0, 0, unit, "middle")}</g>'


def _marks(found: list[tuple[float, Column]], scale: _Scale, y: float) -> Iterator[str]:
    ends = [scale.at(bound(value for value, _ in found)) for bound in (min, max)]
    yield f'<line class="span" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"/>'
    # Ours are drawn last, on top.
    for value, column in sorted(found, key=lambda each: each[1].is_ours):
        yield _mark(column, scale.at(value), y, f"{column.title}: {figure(value)}")


def _joined(column: Column, points: list[tuple[float, float, float]]) -> Iterator[str]:
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    yield f'<polyline points="{way}" fill="none" stroke="{column.colour}" stroke-width="2"/>'
    for x, y, value in points:
        yield _mark(column, x, y, f"{column.title}: {figure(value)}")


def _mark(column: Column, x: float, y: float, title: str) -> str:
    """Ours are discs, the others diamonds, so that colour alone does not carry the meaning."""
    style = f'class="mark" fill="{column.colour}"'
    title = f"<title>{escape(title)}</title>"
    if column.is_ours:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" {style}>{title}</circle>'
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -7), (7, 0), (0, 7), (-7, 0)))
    return f'<polygon points="{points}" {style}>{title}</polygon>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
