"""Print the report: a line for each row and side, the differences, and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compat_matrix._compare import Comparison, counts_of, Difference
from compat_matrix._results import FLASK, Result, Side
from compat_matrix._rows import Counts, Row

SHOWN = 5  # how many differing tests a row's line is followed by


@dataclass(slots=True)
class RowReport:
    """Everything that a run has found out about one row."""

    row: Row
    reference: Result | None = None
    layers: list[tuple[Side, Result, Comparison]] = field(default_factory=list)
    problem: str = ""  # why the row could not be run at all

    @property
    def green(self) -> bool:
        return not self.problem and all(comparison.green for _, _, comparison in self.layers)


def count_text(counts: Counts) -> str:
    pairs = [("failed", counts.failed), ("errors", counts.errors), ("skipped", counts.skipped)]
    return ", ".join([f"{counts.passed} passed", *(f"{n} {name}" for name, n in pairs if n)])


def line(row: Row, side: object, mark: str, text: str) -> str:
    return f"{row.name:<36} {side!s:<13} {mark:<6} {text}"


def reference_line(row: Row, result: Result, *, remembered: bool, side: Side = FLASK) -> str:
    text = f"{count_text(counts_of(result))}  ({result.seconds:g} s"
    text += ", remembered)" if remembered else ")"
    if result.problem:
        return line(row, side, "BROKEN", result.problem)
    return line(row, side, "ran", text)


def test_line(how: str, name: str, text: str) -> str:
    """Return a test with the most telling line of *text*: pytest marks an error's lines with E."""
    marked = [line.lstrip("E ") for line in text.splitlines() if line.startswith("E  ")]
    reason = marked[:1] or text.strip().splitlines()[-1:]
    return f"    {how}: {name}  {''.join(reason)[:160]}".rstrip()


def difference_line(difference: Difference) -> str:
    return test_line(
        difference.how, difference.id, difference.layer.text if difference.layer else ""
    )


def comparison_lines(
    row: Row, side: Side, result: Result, found: Comparison, *, remembered: bool = False
) -> Iterator[str]:
    """Yield a line with the verdict, then the first few differences."""
    parts = [count_text(counts_of(result))]
    parts += [f"{len(found.worse)} worse"] if found.worse else []
    parts += [f"{len(found.better)} better"] if found.better else []
    parts += [f"{found.left_out} left out"] if found.left_out else []
    took = f"{result.seconds:g} s, remembered" if remembered else f"{result.seconds:g} s"
    text = f"{', '.join(parts)}; {found.served} over ASGI  ({took})"
    yield line(row, side, "green" if found.green else "RED", text)
    if found.problem:
        yield f"    {found.problem}"
    yield from map(difference_line, found.worse[:SHOWN])
    if len(found.worse) > SHOWN:
        yield f"    and {len(found.worse) - SHOWN} more"
    if not result.tests:
        yield from (f"    | {text}" for text in result.output.strip().splitlines()[-15:])
    yield from (f"    note: {note}" for note in found.notes)


def why_lines(row: Row, side: Side, result: Result, found: Comparison) -> Iterator[str]:
    """Yield each test that differs with its output on both sides, and how to run the suite."""
    for difference in found.worse:
        yield f"\n===== {row.name} [{side}] {difference.id}: {difference.how}"
        yield f"----- on the {side.on}"
        yield difference.layer.text if difference.layer else "(the test was not collected or run)"
        yield "----- on the reference"
        one = difference.reference
        yield (one.text or f"({one.outcome})") if one else "(there is no such test there)"
    if result.problem:
        yield f"\n===== {row.name} [{side}] {result.problem}; the last that pytest printed:"
        yield result.output
    yield f"\n{row.name} [{side}] ran: {result.command}"


def summary(reports: Sequence[RowReport]) -> Iterator[str]:
    """Yield the number of rows by verdict, and what to do next."""
    broken = [report for report in reports if report.problem]
    red = [report for report in reports if not report.problem and not report.green]
    compared = [report for report in reports if report.layers and report.green]
    first = f"\n{len(compared)} of {len(reports)} rows green, {len(red)} red"
    yield f"{first}, {len(broken)} could not run"
    if alone := len(reports) - len(compared) - len(red) - len(broken):
        yield f"  not compared, as the layer was not asked for: {alone}"
    for report in red:
        sides = [str(side) for side, _, comparison in report.layers if not comparison.green]
        yield f"  red in {' and '.join(sides)}: python -m compat_matrix --why {report.row.name}"
    for report in broken:
        yield f"  could not run: {report.row.name}: {report.problem.splitlines()[0]}"
