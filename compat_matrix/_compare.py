"""Compare a suite's results on the reference with those on the layer."""

from __future__ import annotations

from dataclasses import dataclass, field

from compat_matrix._results import Case, Result, Side
from compat_matrix._rows import Counts, Row

PASSES = ("passed", "xpassed")
FAILS = ("failed", "error", "unfinished")


@dataclass(frozen=True, slots=True)
class Difference:
    """One test that passes on only one of the two sides."""

    id: str
    reference: Case | None
    layer: Case | None

    @property
    def how(self) -> str:
        return self.layer.outcome if self.layer else "vanished"


@dataclass(slots=True)
class Comparison:
    """The verdict on one row on one side; *alike* counts the tests that pass on both."""

    worse: list[Difference] = field(default_factory=list)
    better: list[Difference] = field(default_factory=list)
    alike: int = 0
    left_out: int = 0
    #: Tests that fail on Flask too if a thread other than the test's calls the application.
    own_thread: list[str] = field(default_factory=list)
    served: int = 0
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    def leave_out(self, in_a_thread: Result) -> None:
        """Leave out what fails on Flask too if another thread calls it, with that result."""
        self.own_thread = [one.id for one in self.worse if fails(in_a_thread.tests.get(one.id))]
        self.worse = [one for one in self.worse if one.id not in set(self.own_thread)]
        self.left_out += len(self.own_thread)

    @property
    def green(self) -> bool:
        return not self.worse and not self.problem


def passes(test: Case | None) -> bool:
    return test is not None and test.outcome in PASSES


def fails(test: Case | None) -> bool:
    return test is not None and test.outcome in FAILS


def all_skipped(result: Result) -> bool:
    return bool(result.tests) and all(test.outcome == "skipped" for test in result.tests.values())


def compare(row: Row, side: Side, reference: Result, layer: Result) -> Comparison:
    """Compare test by test: worse is what passes on the reference and fails or vanishes here.

    A failure whose id the reference does not have at all is worse too, such as a file that cannot
    be
    imported on the layer.
    """
    found = Comparison(problem=layer.problem, served=layer.served)
    deselected = row.deselected(side.place, side.through)
    for name in dict.fromkeys([*layer.tests, *reference.tests]):
        one, other = reference.tests.get(name), layer.tests.get(name)
        if any(entry.matches(name) for entry in deselected):
            found.left_out += 1
        elif (passes(one) and not passes(other)) or (one is None and fails(other)):
            found.worse.append(Difference(name, one, other))
        elif passes(other) and not passes(one):
            found.better.append(Difference(name, one, other))
        else:
            found.alike += passes(one)
    if all_skipped(reference) and all_skipped(layer):
        found.notes.append("every test was skipped: is a service that it needs not installed?")
    elif not found.alike and not found.worse:
        found.problem = found.problem or "no test passes on Flask: there is nothing to compare"
    found.notes += reference_notes(row, reference)
    return found


def compare_with_counts(row: Row, side: Side, layer: Result) -> Comparison:
    """Compare with the recorded counts, for rows whose reference cannot be run beside the layer."""
    found = Comparison(problem=layer.problem, served=layer.served)
    deselected = row.deselected(side.place, side.through)
    found.left_out = len(deselected)
    passed = sum(map(passes, layer.tests.values()))
    failed = [test for test in layer.tests.values() if fails(test)]
    if passed + found.left_out < row.baseline.passed:
        found.worse = [Difference(test.id, None, test) for test in failed]
        found.problem = found.problem or (
            f"{passed} tests passed, on the reference {row.baseline.passed} do"
        )
    found.alike = passed
    return found


def stale_entries(row: Row, reference: Result) -> list[str]:
    """Return deselected tests that the suite does not have (any more)."""
    return [
        entry.test
        for entry in row.deselect
        if not any(entry.matches(name) for name in reference.tests)
    ]


def counts_of(result: Result) -> Counts:
    counts = result.counts()
    return Counts(
        passed=counts["passed"] + counts["xpassed"],
        failed=counts["failed"] + counts["unfinished"],
        errors=counts["error"],
        skipped=counts["skipped"] + counts["xfailed"],
        seconds=result.seconds,
    )


def reference_notes(row: Row, reference: Result) -> list[str]:
    """Yield what is odd about the run on Flask: fewer passes than recorded, outdated entries."""
    notes = []
    if (passed := counts_of(reference).passed) < row.baseline.passed:
        notes.append(
            f"on Flask only {passed} tests pass, {row.baseline.passed} are recorded:"
            " look at the environment before you trust the comparison"
        )
    notes += [
        f"deselect {test!r} matches no test of the suite: remove it from the row"
        for test in stale_entries(row, reference)
    ]
    return notes
