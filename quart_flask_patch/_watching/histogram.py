"""Durations as a fixed number of counts, from which quantiles are read.

Each bound is 9 % above the one before it, so a quantile is off by 5 % at most, and the memory is
the same for ten durations and for ten million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, log2

#: Bounds in each doubling.
STEPS = 8
DOUBLINGS = 20
#: In seconds; the last bound is a million times that, a minute.
FIRST = 0.0000625
#: The last count is of what is above the last bound.
SIZE = STEPS * DOUBLINGS + 2


def index_of(seconds: float) -> int:
    """Return which of the counts *seconds* belongs to."""
    if seconds <= FIRST:
        return 0
    return min(ceil(STEPS * log2(seconds / FIRST)), SIZE - 1)


def bound(index: int) -> float:
    return float(FIRST * 2 ** (index / STEPS))


def quantile(counts: Sequence[int], q: float) -> float | None:
    """Return the duration below which the part *q* of *counts* is; None if there are none."""
    wanted, seen = q * sum(counts), 0
    for index, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            # The middle of the count's two bounds, as a ratio.
            return bound(index) / 2 ** (0.5 / STEPS)
    return None


def doublings(counts: Sequence[int]) -> Iterator[tuple[float, int]]:
    """Give bounds, each twice the one before, with how many durations are no longer than it."""
    seen = counts[0]
    for number in range(DOUBLINGS):
        first = number * STEPS + 1
        seen += sum(counts[first : first + STEPS])
        yield bound(first + STEPS - 1), seen
