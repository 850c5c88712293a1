"""Write the results as Markdown tables, for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compat_matrix._record import Record, SideRecord

HEAD = {
    "flask": ["Extension", "Version", "Pass on Flask", "`loop`", "`thread`"],
    "quart": ["Extension", "Version", "Pass on Quart", "`core`", "`loop`", "`thread`"],
}
TITLES = {"flask": "Flask's extensions", "quart": "Quart's extensions"}
SIDES = {"flask": ["loop", "thread"], "quart": ["core", "loop", "thread"]}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def tables(records: Sequence[Record]) -> Iterator[str]:
    """Yield the lines of the generated part of the page."""
    yield f"{headline(records)}."
    yield ""
    yield f"Measured {days(records)} with {versions_text(records)}."
    for framework, title in TITLES.items():
        ours = [record for record in records if record.framework == framework]
        if ours:
            yield from ["", f"### {title}", ""]
            yield from table(
                [*HEAD[framework], "Called", "Sent a request", "Left out"],
                [cells(record) for record in ours],
            )
    yield from ["", "### What is left out", ""]
    yield from left_out(records)


def headline(records: Sequence[Record]) -> str:
    green = sum(record.green for record in records)
    alike = sum(
        min((side.alike for side in record.sides.values()), default=0) for record in records
    )
    of_all = f"{green} of {len(records)} suites that were measured are green"
    return f"{of_all}; {alike:,} tests pass on both sides"


def days(records: Sequence[Record]) -> str:
    dates = sorted(filter(None, (record.date for record in records)))
    if not dates:
        return "never"
    first, last = dates[0], dates[-1]
    return f"on {last}" if first == last else f"from {first} to {last}"


def versions_text(records: Sequence[Record]) -> str:
    """Yield all versions that rows ran with, the rare ones too."""
    names = dict.fromkeys(name for record in records for name in record.versions)
    found = {
        name: sorted({record.versions[name] for record in records if name in record.versions})
        for name in names
    }
    shown = {"python": "Python", "flask": "Flask", "werkzeug": "Werkzeug", "platform": "on"}
    return ", ".join(f"{shown.get(name, name)} {' and '.join(v)}" for name, v in found.items())


def cells(record: Record) -> list[str]:
    sides = [record.sides.get(name) for name in SIDES[record.framework]]
    served = [side.served for side in sides if side]
    out = [side.left_out for side in sides if side]
    return [
        record.name,
        record.version,
        str(record.reference.passed),
        *map(cell, sides),
        ways(record),
        str(max(served, default=0)),
        str(max(out, default=0) or ""),
    ]


def cell(side: SideRecord | None) -> str:
    if side is None:
        return "not measured"
    if side.green:
        return f"✓ {side.alike}"
    return f"✗ {len(side.worse)} differ" if side.worse else "✗ did not end"


def ways(record: Record) -> str:
    """Return how requests reached the application; a mark shows what was not green."""
    red = {side.called for side in record.sides.values() if not side.green}
    return ", ".join(f"✗ {way}" if way in red else way for way in record.called)


#: Why tests are left out without an entry in their row.
IN_A_THREAD = (
    "They fail on Flask too if a thread other than the test's calls the application, as a server's"
    " does; the test keeps in its thread what the view is to find, such as an in-memory database or"
    " an application context."
)


def left_out(records: Sequence[Record]) -> Iterator[str]:
    """Yield for each row the number of tests of each kind that are left out, and the reasons."""
    for record in records:
        if found := {test for side in record.sides.values() for test in side.own_thread}:
            yield f"- {record.name}, {len(found)} (found through a server): {IN_A_THREAD}"
        for kind in dict.fromkeys(entry.kind for entry in record.left_out):
            entries = [entry for entry in record.left_out if entry.kind == kind]
            reasons = list(dict.fromkeys(entry.reason.strip() for entry in entries))
            where = f" in `{entries[0].place}`" if entries[0].place else ""
            where += " through a server" if entries[0].through else ""
            yield f"- {record.name}, {len(entries)} ({kind}{where}): {' '.join(reasons)}"
