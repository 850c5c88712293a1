"""The findings of a check: plain data, to be shown as lines or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

Level = Literal["error", "warning", "note"]
#: Worst first.
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
Readiness = Literal["async", "blocks", "ready", "replace", "leave"]
AREAS = ("environment", "extensions", "application", "source")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; *code* names its kind and stays the same between releases."""

    level: Level
    area: str
    code: str
    place: str
    what: str
    way_out: str = ""

    @property
    def rank(self) -> tuple[int, int]:
        return LEVELS.index(self.level), AREAS.index(self.area)


@dataclass(frozen=True, slots=True)
class View:
    """How ready a view is to become async; *waits_for* lists what it blocks on, and where."""

    place: str
    name: str
    is_async: bool
    readiness: Readiness
    waits_for: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    findings: list[Finding] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        self.findings = sorted([*self.findings, *findings], key=lambda found: found.rank)

    def counts(self) -> dict[Level, int]:
        found = Counter(finding.level for finding in self.findings)
        return {level: found[level] for level in LEVELS}

    def fails(self, on: str) -> bool:
        """Whether there is a finding of the level *on* or worse; never for "never"."""
        if on == "never":
            return False
        levels = LEVELS[: [*LEVELS].index(on) + 1]  # type: ignore[arg-type]  # click has checked
        return any(finding.level in levels for finding in self.findings)

    def as_data(self) -> dict[str, object]:
        return {
            "counts": self.counts(),
            "findings": [asdict(finding) for finding in self.findings],
            "views": [asdict(view) for view in self.views],
        }
