"""The result of a comparison: plain data without secrets, to be shown in several ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .differing import Difference


@dataclass(frozen=True, slots=True)
class Figures:
    """What a side has used; None for what this system cannot measure."""

    side: str
    server: str
    flask: str
    requests: int
    cpu: float | None = None
    memory: int | None = None
    peak: int | None = None
    has_ended: bool = False

    @property
    def per_cpu_second(self) -> float | None:
        """Requests per second of CPU; None if the clock is too coarse."""
        return round(self.requests / self.cpu, 1) if self.cpu and self.cpu >= 0.1 else None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request: its status on each side, and each side's differences from the first."""

    number: int
    method: str
    path: str
    place: str
    statuses: tuple[int, ...]
    differences: tuple[tuple[str, Difference], ...] = ()

    @property
    def differs(self) -> bool:
        return bool(self.differences)

    def masked(self, over: Callable[[str], str]) -> Exchange:
        if not self.differences:
            return self
        found = tuple(
            (side, Difference(each.part, over(each.reference), over(each.other)))
            for side, each in self.differences
        )
        return replace(self, differences=found)


@dataclass
class Report:
    app: str
    source: str
    reference: str
    others: list[str]
    exchanges: list[Exchange] = field(default_factory=list)
    figures: list[Figures] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    measured: str = "while they were compared"

    @property
    def differing(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.differs]

    @property
    def status(self) -> int:
        """Return the exit status of the command."""
        return 1 if self.differing or self.problems else 0

    def as_data(self) -> dict[str, object]:
        return {
            "app": self.app,
            "source": self.source,
            "reference": self.reference,
            "others": self.others,
            "counts": {
                "requests": len(self.exchanges),
                "equal": len(self.exchanges) - len(self.differing),
                "differing": len(self.differing),
            },
            "requests": [_exchange_data(exchange) for exchange in self.exchanges],
            "left_out": dict(self.left_out),
            "skipped": dict(self.skipped),
            "figures": [_figures_data(figures) for figures in self.figures],
            "measured": self.measured,
            "notes": self.notes,
            "problems": self.problems,
        }


def _exchange_data(exchange: Exchange) -> dict[str, object]:
    return {
        "number": exchange.number,
        "method": exchange.method,
        "path": exchange.path,
        "place": exchange.place,
        "statuses": list(exchange.statuses),
        "differences": [
            {"side": side, "part": d.part, "reference": d.reference, "other": d.other}
            for side, d in exchange.differences
        ],
    }


def _figures_data(figures: Figures) -> dict[str, object]:
    return {
        "side": figures.side,
        "server": figures.server,
        "flask": figures.flask,
        "requests": figures.requests,
        "cpu_seconds": None if figures.cpu is None else round(figures.cpu, 3),
        "requests_per_cpu_second": figures.per_cpu_second,
        "memory_bytes": figures.memory,
        "peak_memory_bytes": figures.peak,
    }
