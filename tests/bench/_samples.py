"""Figures of interleaved rounds: medians, and ratios that are taken within a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import geometric_mean, median
from typing import TypeVar

Cell = tuple[str, str]
Item = TypeVar("Item")


class Samples(dict[Cell, list[float]]):
    """By row and column, one figure a round."""

    def add(self, row: str, column: str, value: float) -> None:
        self.setdefault((row, column), []).append(value)

    def median(self, row: str, column: str) -> float | None:
        """The median over the rounds, or None where there is no result."""
        values = self.get((row, column))
        return median(values) if values else None

    def quotient(self, cell: Cell, of: Cell) -> float | None:
        """The median of the quotients within each round, which noise that lasts does not touch."""
        ours, theirs = self.get(cell), self.get(of)
        if not ours or not theirs:
            return None
        return median(a / b for a, b in zip(ours, theirs, strict=True))

    def ratio(self, row: str, column: str, to: str) -> float | None:
        return self.quotient((row, column), (row, to))

    def ratios(self, rows: Sequence[str], column: str, to: str) -> dict[str, float]:
        """By row, where both columns have a result."""
        found = {row: self.ratio(row, column, to) for row in rows}
        return {row: value for row, value in found.items() if value is not None}

    def geometric(self, rows: Sequence[str], column: str, to: str) -> float | None:
        """The geometric mean of the ratios, or None if one of them is missing."""
        found = self.ratios(rows, column, to)
        return geometric_mean(found.values()) if len(found) == len(rows) > 0 else None


def turns(items: Sequence[Item], rounds: int) -> Iterator[Item]:
    """Each item once a round, a different one first in each: none always follows the same one."""
    for turn in range(rounds):
        by = turn % max(1, len(items))
        yield from [*items[by:], *items[:by]]
