"""The results as an SVG: one line a scenario, one mark a contender, time on a log scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from ._contenders import Contender
from ._driver import Results
from ._report import micros

LEFT, RIGHT, TOP, WIDTH, ROW = 300, 30, 70, 960, 30
INK, FAINT = "#222", "#ddd"
STYLE = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="%d" viewBox="0 0 {WIDTH} %d" '
    'font-family="system-ui, sans-serif" font-size="13" role="img">'
)


class _Scale:
    """Microseconds to pixels, between the powers of ten around all values."""

    def __init__(self, values: list[float]) -> None:
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[float]:
        decades = range(self.low, self.high + 1)
        ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        return [tick for tick in ticks if tick <= 10.0**self.high]


def as_svg(results: Results) -> str:
    """Draw ``results``, which must hold at least one measurement."""
    keys = [scenario.key for scenario in results.scenarios]
    names = [contender.name for contender in results.contenders]
    values = [value for k in keys for n in names if (value := micros(results, k, n)) is not None]
    if not values:
        raise ValueError("expected at least one measurement to draw, got none: see the failures")
    scale, height = _Scale(values), TOP + ROW * len(keys) + 40
    parts = [
        STYLE % (height, height),
        "<title>CPU time per request</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(results.contenders),
        *_axis(scale, height - 40),
    ]
    for at, scenario in enumerate(results.scenarios):
        y = TOP + ROW * at + ROW / 2
        label = escape(f"{scenario.key}  {scenario.title}".replace("`", ""))
        parts.append(_text(LEFT - 12, y + 4, label, "end"))
        parts.extend(_marks(results, scenario.key, scale, y))
    return "\n".join([*parts, "</svg>", ""])


def _legend(contenders: list[Contender]) -> Iterator[str]:
    x = 20.0
    for contender in contenders:
        yield _mark(contender, x, 24, contender.title)
        yield _text(x + 12, 28, escape(contender.title), "start")
        x += 34 + 7.2 * len(contender.title)


def _axis(scale: _Scale, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x = scale.x(tick)
        line = f'x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{FAINT}"'
        yield f"<line {line}/>"
        yield _text(x, bottom + 16, f"{tick:g}", "middle")
    yield _text(LEFT - 26, bottom + 16, "CPU microseconds per request, log scale", "end")


def _marks(results: Results, scenario: str, scale: _Scale, y: float) -> Iterator[str]:
    found = [
        (value, contender)
        for contender in results.contenders
        if (value := micros(results, scenario, contender.name)) is not None
    ]
    if found:
        ends = [scale.x(bound(value for value, _ in found)) for bound in (min, max)]
        line = f'x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"'
        yield f'<line {line} stroke="#999"/>'
    # Ours are drawn last, on top.
    for value, contender in sorted(found, key=lambda each: each[1].is_ours):
        yield _mark(contender, scale.x(value), y, f"{contender.title}: {value:.1f}")


def _mark(contender: Contender, x: float, y: float, title: str) -> str:
    """Ours are discs, the others diamonds, so that colour alone does not carry the meaning."""
    style = f'fill="{contender.colour}" stroke="white"'
    title = f"<title>{escape(title)}</title>"
    if contender.is_ours:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" {style}>{title}</circle>'
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -7), (7, 0), (0, 7), (-7, 0)))
    return f'<polygon points="{points}" {style}>{title}</polygon>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" text-anchor="{anchor}">{text}</text>'
