"""Show a rewriting: the diff for programs, the rest for people; or everything as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from difflib import unified_diff

import click

from ..findings import Finding
from ..output import put_out
from ..show import show_finding
from .outcome import ChangedFile, Outcome, Rewritten

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_NO_END = "\\ No newline at end of file\n"


def show(outcome: Outcome, as_json: bool) -> None:
    """Write the diff to stdout, so that you can apply it, and the rest to stderr."""
    if as_json:
        data = outcome.as_data() | {"diff": "".join(diff(outcome))}
        click.echo(json.dumps(data, indent=1))
        return
    if not outcome.written:
        for file in outcome.files:
            _show_diff(file)
    put_out(outcome, False, _show_richly, lines, err=not outcome.written)


def _show_diff(file: ChangedFile) -> None:
    if sys.stdout.isatty():
        for line in _diff(file):
            click.secho(line, nl=False, fg=_STYLES.get(line[:1]))
    else:
        # Use the file's own line ends, or the diff could not be applied.
        for line in _diff(file):
            click.echo(line.encode(file.encoding, "surrogateescape"), nl=False)


def diff(outcome: Outcome) -> Iterator[str]:
    for file in outcome.files:
        yield from _diff(file)


def _diff(file: ChangedFile) -> Iterator[str]:
    before, after = (_lines(data.decode(file.encoding)) for data in (file.before, file.after))
    for line in unified_diff(before, after, f"a/{file.shown}", f"b/{file.shown}"):
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"


def _lines(text: str) -> list[str]:
    """Return the lines as `patch` and Git split them: only at line feeds."""
    return [line for line in text.replace("\n", "\n\0").split("\0") if line]


def lines(outcome: Outcome) -> list[str]:
    shown = [_line(finding) for finding in outcome.findings]
    shown += [
        f"view: {view.place}: {view.name}: a loop of its own, for {_reasons(view)}"
        for view in _apart(outcome)
    ]
    return [*shown, summary(outcome)]


def _apart(outcome: Outcome) -> list[Rewritten]:
    return [view for view in outcome.views if view.runs_in == "own-loop" and view.why]


def _reasons(view: Rewritten) -> str:
    more = f" and {len(view.why) - 3} more" if len(view.why) > 3 else ""
    return f"{', '.join(view.why[:3])}{more}"


def _line(finding: Finding) -> str:
    way = f" Way out: {finding.way_out}." if finding.way_out else ""
    return f"{finding.level}: {finding.place}: {finding.what} [{finding.code}].{way}"


def _show_richly(outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=not outcome.written)
    for finding in outcome.findings:
        show_finding(console, finding)
    table = Table("view", "place", "a loop of its own, for")
    for view in _apart(outcome):
        table.add_row(Text(view.name), Text(view.place), Text(_reasons(view)))
    if table.row_count:
        console.print(table)
    console.print(Text(summary(outcome), style="bold"))


def summary(outcome: Outcome) -> str:
    counts = outcome.counts()
    total = len(outcome.views)
    files = len(outcome.files)
    word = "written" if outcome.written else "to write (--write)"
    return (
        f"{counts['rewritten']} of {total} views rewritten, {counts['unchanged']} were async"
        f" already, {counts['left']} left; {files} file{'' if files == 1 else 's'} {word};"
        f" {len(outcome.left)} thing{'' if len(outcome.left) == 1 else 's'} to do by hand"
    )
