"""Show a report: in colour on a terminal, as plain lines elsewhere, as JSON or as a page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from ..output import put_out
from .report import Exchange, Figures, Report

TEMPLATE = Path(__file__).with_name("page.html")


def show(report: Report, as_json: bool) -> None:
    put_out(report, as_json, _show_richly, lines)


def page(report: Report) -> str:
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = made.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(
        report=report, title=title, used=used, figures_text=figures_text, summary=summary(report)
    )


def lines(report: Report) -> list[str]:
    """Return the report as lines, one for each difference."""
    shown = [line for exchange in report.differing for line in _lines(exchange, report)]
    shown += [f"problem: {problem}" for problem in report.problems]
    shown += [f"note: {note}" for note in report.notes]
    if report.left_out:
        shown.append(f"left out: {_counted(report.left_out)}")
    if report.skipped:
        shown.append(f"not sent: {_counted(report.skipped)}")
    shown += [f"{each.side}: {figures_text(each)}" for each in report.figures]
    return [*shown, summary(report)]


def _lines(exchange: Exchange, report: Report) -> list[str]:
    return [
        f"differs: {title(exchange)}: {each.part}: {_line(each.reference)} on {report.reference},"
        f" {_line(each.other)} on {side}"
        for side, each in exchange.differences
    ]


def _line(text: str) -> str:
    return " ".join(text.split()) or "nothing"


def title(exchange: Exchange) -> str:
    place = f" ({exchange.place})" if exchange.place else ""
    return f"{exchange.method} {exchange.path}{place}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def figures_text(figures: Figures) -> str:
    versions = f"{figures.server}, Flask {figures.flask}"
    return f"{versions}: {figures.requests} requests, {', '.join(used(figures))}"


def used(figures: Figures) -> list[str]:
    if figures.has_ended:
        return ["its process ended before CPU and memory were measured"]
    if figures.cpu is None or figures.memory is None:
        return ["CPU and memory are not measured here; install psutil"]
    if figures.per_cpu_second is None:
        cpu = "too little CPU to tell; --measure SECONDS asks again"
    else:
        cpu = f"{figures.per_cpu_second:g} requests per CPU second ({figures.cpu:.2f} s)"
    peak = f", {_mib(figures.peak)} at most" if figures.peak else ""
    return [cpu, f"{_mib(figures.memory)} of memory{peak}"]


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def summary(report: Report) -> str:
    count, differing = len(report.exchanges), len(report.differing)
    text = f"{count} requests: {count - differing} equal, {differing} differ"
    return f"{text}; ended early" if report.problems else text


def _show_richly(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for exchange in report.differing:
        console.print(Text.assemble(("differs ", "bold red"), (title(exchange), "bold")))
        for side, each in exchange.differences:
            console.print(Text.assemble(f"    {each.part}  ", (side, "cyan")))
            console.print(Text(f"      - {_line(each.reference)}", style="red"))
            console.print(Text(f"      + {_line(each.other)}", style="green"))
    for problem in report.problems:
        console.print(Text.assemble(("problem ", "bold red"), problem))
    for name, texts in (("note", report.notes), ("left out", _listed(report.left_out))):
        for text in texts:
            console.print(Text.assemble((f"{name} ", "yellow"), text))
    for text in _listed(report.skipped):
        console.print(Text.assemble(("not sent ", "yellow"), text))
    table = Table("side", "server", "requests", "used")
    for figures in report.figures:
        server = f"{figures.server}, Flask {figures.flask}"
        table.add_row(figures.side, server, str(figures.requests), "\n".join(used(figures)))
    console.print(table)
    style = "bold red" if report.status else "bold green"
    console.print(Text(summary(report), style=style))


def _listed(counts: dict[str, int]) -> list[str]:
    return [_counted(counts)] if counts else []
