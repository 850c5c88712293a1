"""The table of the runs, with what a server's process had before and after."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from ._scenarios import Run, SCENARIOS
from ._served import PLACES, SERVERS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
START, END = "<!-- soak: start -->", "<!-- soak: end -->"
HEADER = ["what", "server", "place", "how often", "seconds", "MiB", "threads", "files", "objects"]


def _pair(values: Sequence[float] | None) -> str:
    return "" if values is None else f"{values[0]:,} → {values[1]:,}"


def _order(run: Run) -> tuple[int, int, int]:
    servers = ["none", *SERVERS]
    return [*SCENARIOS].index(run.scenario), servers.index(run.server), PLACES.index(run.place)


def table(runs: Iterable[Run]) -> str:
    """Return the runs as Markdown."""
    rows = [
        [
            *(run.scenario, "" if run.server == "none" else run.server, run.place),
            *(f"{run.total:,}", f"{run.seconds:,.0f}"),
            *map(_pair, (run.memory, run.threads, run.files, run.objects)),
        ]
        for run in sorted(runs, key=_order)
    ]
    lines = [HEADER, ["---"] * 3 + ["--:"] * 6, *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def write_page(runs: Iterable[Run]) -> None:
    """Put the table into the page, between its two markers."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    names = ("hypercorn", "uvicorn", "granian")
    servers = ", ".join(f"{name} {version(name)}" for name in names)
    setting = f"Python {platform.python_version()}, {platform.system()}; {servers}."
    PAGE.write_text(
        f"{before}{START}\n\n{setting}\n\n{table(runs)}\n\n{END}{after}", encoding="utf-8"
    )
