"""The committed results: one JSON file for each row, the docs page's table and the badge."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from compat_matrix._badge import badge
from compat_matrix._record import Record
from compat_matrix._rows import HERE, PROJECT, Row
from compat_matrix._table import tables

RESULTS = HERE / "results"
PAGE = PROJECT / "docs" / "matrix.md"
BADGE = PROJECT / "docs" / "matrix.svg"
# What the layer's `migrate check` knows of the results.
CARRIED = PROJECT / "quart_flask_patch" / "migrate" / "matrix.json"
START, END = "<!-- matrix:start -->", "<!-- matrix:end -->"

# A row has turned if fewer tests pass on both sides than this share of those in the committed
# results (or in the row's file, if a service was missing then), even if no test differs: the suite
# did not run as before. Not 1, as some tests are unsteady on Flask too.
ENOUGH = 0.9


def load_committed() -> dict[str, Record]:
    paths = sorted(RESULTS.glob("*.json"), key=lambda path: path.stem)
    return {path.stem: Record.parse(json.loads(path.read_text("utf-8"))) for path in paths}


def as_json(record: Record) -> str:
    return json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n"


def merge(old: Record | None, new: Record) -> Record:
    """Return *new* with the sides that only *old* has, if both are of the same state of the row."""
    if old is None or old.state != new.state:
        return new
    merged = old.sides | new.sides
    return replace(new, sides=merged, green=all(side.green for side in merged.values()))


def why_not(record: Record) -> str:
    """Return why *record* may not be committed; empty if it may."""
    if record.problem:
        return record.problem.splitlines()[0]
    if not record.sides:
        return "it was not run on the layer"
    if any(not side.source for side in record.sides.values()):
        return "the source has changed since it ran"
    return ""


def update(records: Iterable[Record], rows: Mapping[str, Row]) -> Iterator[str]:
    """Add *records* to the committed results, and yield messages about that.

    Results of other rows stay; those of removed rows are removed.
    """
    committed = load_committed()
    RESULTS.mkdir(exist_ok=True)
    taken = 0
    for record in records:
        if reason := why_not(record):
            yield f"  not updated: {record.name}: {reason}"
            continue
        committed[record.name] = merge(committed.get(record.name), record)
        (RESULTS / f"{record.name}.json").write_text(as_json(committed[record.name]), "utf-8")
        taken += 1
    for name in committed.keys() - rows:
        (RESULTS / f"{name}.json").unlink()
    write_pages([record for name, record in sorted(committed.items()) if name in rows], rows)
    files = ", ".join(str(path.relative_to(PROJECT)) for path in (RESULTS, PAGE, BADGE))
    yield f"  updated {taken} rows in {files}"


def write_pages(records: Sequence[Record], rows: Mapping[str, Row]) -> None:
    page = PAGE.read_text("utf-8")
    PAGE.write_text(with_tables(page, records), "utf-8")
    BADGE.write_text(badge(records), "utf-8")
    CARRIED.write_text(carried(records, rows), "utf-8")


def carried(records: Iterable[Record], rows: Mapping[str, Row]) -> str:
    """Return the results that the layer ships: each row's verdict and the tests that differ."""
    data = [
        {
            "name": record.name,
            "project": rows[record.name].project or record.name,
            "version": record.version,
            "scenario": bool(rows[record.name].scenario),
            "green": record.green,
            "called": record.called,
            "alike": min((side.alike for side in record.sides.values()), default=0),
            "left_out": len(record.left_out),
            "worse": sorted({one.id for side in record.sides.values() for one in side.worse}),
            "remark": record.remark,
            "date": record.date,
        }
        for record in records
        if rows[record.name].directory == "."  # not what an sdist holds beside its package
    ]
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def with_tables(page: str, records: Sequence[Record]) -> str:
    """Return *page* with the tables of *records* between its two marks."""
    marked = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
    text = "\n".join([START, "", *tables(records), "", END])
    return marked.sub(lambda _: text, page)


# --- Rows that have turned -----------------------------------------------------------------------


def turned(old: Record | None, new: Record) -> list[str]:
    """Yield what the committed results promise for a row and a run did not confirm.

    A side without committed results has to be green.
    """
    found = []
    for name, side in new.sides.items():
        before = old.sides.get(name) if old else None
        if not side.green and (before is None or before.green):
            found.append(f"{new.name} [{name}] is red, and not so in the committed results")
        elif before and side.alike < ENOUGH * min(before.alike, new.baseline.passed):
            found.append(
                f"{new.name} [{name}]: only {side.alike} tests pass here and on the reference,"
                f" {before.alike} did in the committed results"
            )
    return found
