"""Findings as plain data: what ``--json`` writes, what is committed, what the pages are made of."""

from __future__ import annotations

import platform
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Literal

from compat_matrix._compare import Comparison, counts_of, Difference
from compat_matrix._environment import environment_folder, packages_of
from compat_matrix._report import RowReport
from compat_matrix._results import Result, result_key, Side, source_digest
from compat_matrix._rows import Counts, Deselected, digest, PROJECT, Row, row_digest
from compat_matrix._uv import cache_dir

TEXT_LIMIT = 6_000  # of each traceback, from its end

#: How requests came to the application: as Flask's client calls it, as a server does, over HTTP
#: from a scenario's own client, or as Quart's client calls it.
Called = Literal["client", "server", "HTTP", "ASGI"]


@dataclass(frozen=True, slots=True)
class DifferenceRecord:
    """A test that passes on the reference only, with its output on both sides."""

    id: str
    how: str
    reference: str | None
    layer: str | None


@dataclass(frozen=True, slots=True)
class SideRecord:
    """One side's result; *alike* counts equal tests, *served* those that sent a request."""

    on: str
    place: str | None
    loop: str
    called: Called
    green: bool
    counts: Counts
    alike: int
    served: int
    left_out: int
    #: Those left out that fail on Flask too, if a thread other than the test's calls it.
    own_thread: list[str]
    problem: str
    notes: list[str]
    worse: list[DifferenceRecord]
    better: list[str]
    date: str
    source: str  # of this project, as a digest; empty if it has changed since

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> SideRecord:
        worse = [DifferenceRecord(**item) for item in data["worse"]]
        return cls(**{"own_thread": [], **data, "counts": Counts(**data["counts"]), "worse": worse})


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is known about one row."""

    name: str
    version: str
    framework: str
    tier: str
    services: str
    remark: str
    state: str  # a digest of all in the row's file that the findings depend on
    green: bool
    problem: str
    versions: dict[str, str]
    baseline: Counts  # what the row's file says of the reference, with no service running
    reference: Counts
    left_out: list[Deselected] = field(default_factory=list)
    sides: dict[str, SideRecord] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Record:
        """Return the record from which `asdict` has made *data*."""
        values = {
            "baseline": Counts(**data["baseline"]),
            "reference": Counts(**data["reference"]),
            "left_out": [Deselected(**entry) for entry in data["left_out"]],
            "sides": {name: SideRecord.parse(side) for name, side in data["sides"].items()},
        }
        return cls(**{**data, **values})

    @property
    def called(self) -> list[Called]:
        """Return the ways in which requests reached its sides."""
        return sorted({side.called for side in self.sides.values()})

    @property
    def date(self) -> str:
        """Return the day of the oldest finding."""
        return min((side.date for side in self.sides.values()), default="")


def row_state(row: Row) -> str:
    return digest([row_digest(row), [asdict(entry) for entry in row.deselect]])


def project_version() -> str:
    data = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
    return str(data["project"]["version"])


def versions(row: Row) -> dict[str, str]:
    """Return the versions that the row's suite ran with."""
    packages = packages_of(environment_folder(row, cache_dir()))
    found = {dist.name.lower(): dist.version for dist in distributions(path=[str(packages)])}
    return {
        "python": platform.python_version(),
        **{name: found[name] for name in ("flask", "werkzeug") if name in found},
        "quart-flask-patch": project_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def impersonal(text: str) -> str:
    """Return the end of *text*, where the error is, without names of this user's folders."""
    named = {
        "<cache>": cache_dir(),
        "<checkout>": PROJECT,
        "<environment>": sys.prefix,
        "<python>": sys.base_prefix,
        "~": Path.home(),
    }
    for name, folder in named.items():
        text = text.replace(str(folder), name)
    return text if len(text) <= TEXT_LIMIT else f"[cut]\n{text[-TEXT_LIMIT:]}"


def difference_record(difference: Difference) -> DifferenceRecord:
    one, other = difference.reference, difference.layer
    return DifferenceRecord(
        difference.id,
        difference.how,
        impersonal(one.text) if one else None,
        impersonal(other.text) if other else None,
    )


def called(row: Row, side: Side) -> Called:
    if row.scenario:
        return "HTTP"
    return "ASGI" if row.framework == "quart" else side.through


def side_record(row: Row, side: Side, result: Result, found: Comparison) -> SideRecord:
    return SideRecord(
        on=side.on,
        place=side.place,
        loop=side.loop,
        called=called(row, side),
        green=found.green,
        counts=counts_of(result),
        alike=found.alike,
        served=found.served,
        left_out=found.left_out,
        own_thread=found.own_thread,
        problem=impersonal(found.problem),
        notes=found.notes,
        worse=[difference_record(item) for item in found.worse],
        better=[item.id for item in found.better],
        date=time.strftime("%Y-%m-%d", time.gmtime(result.ended)),
        source=source_digest() if result.key == result_key(row, side) else "",
    )


def record_of(report: RowReport) -> Record:
    row = report.row
    return Record(
        name=row.name,
        version=row.version,
        framework=row.framework,
        tier=row.tier,
        services=row.services,
        remark=row.remark,
        state=row_state(row),
        green=report.green,
        problem=impersonal(report.problem),
        versions=versions(row),
        baseline=row.baseline,
        reference=counts_of(report.reference) if report.reference else row.baseline,
        left_out=list(row.deselect),
        sides={str(found[0]): side_record(row, *found) for found in report.layers},
    )
