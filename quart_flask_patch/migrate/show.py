"""Show a report: in colour on a terminal, as plain lines elsewhere, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .findings import Finding, Report, View
from .output import put_out

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
#: The report's words for each state of readiness.
READINESS = {
    "async": "async, and was not seen to hold the server's event loop",
    "blocks": "async, and holds the event loop: mend this first",
    "ready": "plain, and was not seen to wait: little to gain, little to lose",
    "replace": "plain, waits for what has an async way: worth making async",
    "leave": "plain, waits for what has no async way at hand: leave it plain",
}
_ORDER = tuple(READINESS)


def show(report: Report, as_json: bool) -> None:
    put_out(report, as_json, _show_richly, lines)


def summary(report: Report) -> str:
    counts = [_counted(count, level) for level, count in report.counts().items()]
    return f"{', '.join(counts)}; {_counted(len(report.views), 'view')}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ordered(views: list[View]) -> list[View]:
    order = ["blocks", *(name for name in _ORDER if name != "blocks")]
    return sorted(views, key=lambda view: order.index(view.readiness))


def lines(report: Report) -> list[str]:
    shown = [_line(finding) for finding in report.findings]
    shown += [f"view: {_view_line(view)}" for view in ordered(report.views)]
    return [*shown, summary(report)]


def _line(finding: Finding) -> str:
    way = f" Way out: {finding.way_out}." if finding.way_out else ""
    return f"{finding.level}: {finding.place}: {finding.what} [{finding.code}].{way}"


def _view_line(view: View) -> str:
    waits = f"; waits for {', '.join(view.waits_for)}" if view.waits_for else ""
    return f"{view.place}: {view.name}: {READINESS[view.readiness]}{waits}"


def show_finding(console: Console, finding: Finding) -> None:
    from rich.text import Text

    style = _STYLES[finding.level]
    console.print(
        Text.assemble((finding.level, style), " ", (finding.place, "bold"), f" {finding.code}")
    )
    console.print(Text(f"    {finding.what}"))
    if finding.way_out:
        console.print(Text(f"    -> {finding.way_out}", style="green"))


def _show_richly(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for finding in report.findings:
        show_finding(console, finding)
    table = Table("view", "place", "how ready", "waits for")
    for view in ordered(report.views):
        waits = Text("\n".join(view.waits_for))
        table.add_row(Text(view.name), Text(view.place), READINESS[view.readiness], waits)
    if report.views:
        console.print(table)
    console.print(Text(summary(report), style="bold"))
