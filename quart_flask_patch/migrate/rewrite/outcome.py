"""The outcome of a rewriting: plain data, shown as a diff, as lines or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from ..findings import Finding, Level

Done = Literal["rewritten", "unchanged", "left"]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """One view: what was done to it, where it will run, and why."""

    place: str
    name: str
    outcome: Done
    runs_in: str = ""
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedFile:
    path: Path
    shown: str
    before: bytes
    after: bytes
    encoding: str


@dataclass(slots=True)
class Outcome:
    to: str
    written: bool = False
    views: list[Rewritten] = field(default_factory=list)
    files: list[ChangedFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        self.findings = sorted(
            {*self.findings, *findings}, key=lambda each: (each.rank, each.place)
        )

    @property
    def left(self) -> list[Finding]:
        """Return what you have to do by hand."""
        return [finding for finding in self.findings if finding.level != "note"]

    def counts(self) -> dict[Done, int]:
        found = Counter(view.outcome for view in self.views)
        return {name: found[name] for name in ("rewritten", "unchanged", "left")}

    def as_data(self) -> dict[str, object]:
        return {
            "to": self.to,
            "written": self.written,
            "counts": self.counts(),
            "views": [asdict(view) for view in self.views],
            "files": [file.shown for file in self.files],
            "findings": [asdict(finding) for finding in self.findings],
        }


def said(level: Level, code: str, place: str, what: str, way_out: str) -> Finding:
    return Finding(level, "source", code, place, what, way_out)
