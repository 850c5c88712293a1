"""What the page begins with: how many targets are met, and each main one with its figure.

It is read from the page's own sections, so it is whole though only some of them are measured anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ._report import MAIN, markdown, markers, spliced, TARGET_HEADER

NAME = "targets"


def summed_up(page: str, names: Iterable[str]) -> str:
    """``page`` with the summary of the targets of these measurements where it belongs."""
    return spliced(page, NAME, summary(page, names))


def summary(page: str, names: Iterable[str]) -> str:
    """A line that counts, and a table of the main targets; each leads to its section."""
    rows, count, met = list[list[str]](), 0, 0
    for name in names:
        for what, *rest in _targets(page, name):
            count += 1
            met += rest[-1] == "met"
            if what.startswith(MAIN):
                rows.append([f"[{what.strip(MAIN)}](#{_anchor(page, name)})", *rest])
    return f"{met} of {count} targets are met. The main ones:\n\n{markdown(TARGET_HEADER, rows)}"


def _targets(page: str, name: str) -> list[list[str]]:
    """The rows of the table of targets between the measurement's markers."""
    start, end = markers(name)
    section = page.partition(start)[2].partition(end)[0]
    _, _, after = section.partition(f"| {' | '.join(TARGET_HEADER)} |\n")
    lines = after.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def _anchor(page: str, name: str) -> str:
    """Of the heading that the measurement is below."""
    before = page.partition(markers(name)[0])[0]
    heading = re.findall(r"^## (.+)$", before, re.MULTILINE)[-1]
    return str(heading).lower().replace(" ", "-")
