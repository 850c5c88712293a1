"""Shows a rewriting: the diff for other programs, the rest for people; or all as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from difflib import unified_diff

import click

from ..findings import Finding
from .outcome import ChangedFile, Outcome

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show(outcome: Outcome, as_json: bool) -> None:
    """Write the diff to the output, so that it can be applied, and what is left beside it."""
    if as_json:
        data = outcome.as_data() | {"diff": "".join(diff(outcome))}
        click.echo(json.dumps(data, indent=1))
        return
    if not outcome.written:
        for line in diff(outcome):
            click.secho(line, nl=False, fg=_colour(line))
    for line in lines(outcome):
        click.echo(line, err=not outcome.written)


def _colour(line: str) -> str | None:
    return _STYLES.get(line[:1]) if sys.stdout.isatty() else None


def diff(outcome: Outcome) -> Iterator[str]:
    for file in outcome.files:
        yield from _diff(file)


def _diff(file: ChangedFile) -> Iterator[str]:
    before, after = (
        data.decode(file.encoding).splitlines(keepends=True) for data in (file.before, file.after)
    )
    for line in unified_diff(before, after, f"a/{file.shown}", f"b/{file.shown}"):
        yield line
        if not line.endswith(("\n", "\r")):
            yield "\n\\ No newline at end of file\n"


def lines(outcome: Outcome) -> list[str]:
    shown = [_line(finding) for finding in outcome.findings]
    for view in outcome.views:
        if view.runs_in == "own-loop" and view.why:
            reasons = ", ".join(view.why[:3])
            more = f" and {len(view.why) - 3} more" if len(view.why) > 3 else ""
            shown.append(f"view: {view.place}: {view.name}: a loop of its own, for {reasons}{more}")
    return [*shown, summary(outcome)]


def _line(finding: Finding) -> str:
    way = f" Way out: {finding.way_out}." if finding.way_out else ""
    return f"{finding.level}: {finding.place}: {finding.what} [{finding.code}].{way}"


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
