"""Make the badge: an SVG for a README that says how many suites are green, on what, and when."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from compat_matrix._record import Record

WIDE = 6.4  # pixels for a character of 11 px Verdana on the average; textLength makes it exact
GREEN, RED = "#2e7d32", "#b3261e"
TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="round"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#round)">
<rect width="{left}" height="20" fill="#444"/>
<rect x="{left}" width="{right}" height="20" fill="{colour}"/>
</g>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">
<text x="6" y="14" textLength="{left_text}">{name}</text>
<text x="{start}" y="14" textLength="{right_text}">{verdict}</text>
</g>
</svg>
"""


def badge(records: Sequence[Record]) -> str:
    green = sum(record.green for record in records)
    flask = sorted({record.versions["flask"] for record in records if "flask" in record.versions})
    name = "extensions' own tests"
    verdict = f"{green} of {len(records)} suites green"
    if flask:
        verdict += f" · Flask {', '.join(flask)}"
    verdict += f" · {max((record.date for record in records), default='not measured')}"
    left_text, right_text = round(len(name) * WIDE), round(len(verdict) * WIDE)
    return TEMPLATE.format(
        title=escape(f"{name}: {verdict}", {'"': "&quot;"}),
        name=escape(name),
        verdict=escape(verdict),
        left=left_text + 12,
        right=right_text + 12,
        width=left_text + right_text + 24,
        start=left_text + 18,
        left_text=left_text,
        right_text=right_text,
        colour=GREEN if green == len(records) else RED,
    )
