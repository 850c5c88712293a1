"""How long and how much to measure; what every measurement is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ._contenders import Contender, CONTENDERS

Say = Callable[[str], None]
# In a quick run, which shows that everything works and no more.
_QUICK = 0.15


@dataclass(frozen=True)
class Settings:
    """What the command line chose; ``say`` tells somebody who waits how far it is."""

    say: Say
    loops: Sequence[str] = ("uvloop", "asyncio")
    contenders: Collection[str] = tuple(CONTENDERS)
    scenarios: Sequence[str] = ()
    rounds: int | None = None
    budget: float = 0.07
    is_quick: bool = False

    def rounds_or(self, default: int) -> int:
        """How many interleaved rounds to make, if the command line does not say."""
        return self.rounds or (2 if self.is_quick else default)

    def seconds(self, full: float) -> float:
        """As many seconds, or a fraction of them in a quick run."""
        return full * _QUICK if self.is_quick else full

    def number(self, full: int) -> int:
        """As many things, or a fraction of them in a quick run."""
        return round(self.seconds(full))

    def chosen(self, *names: str) -> list[Contender]:
        """Of the contenders of these names those that the command line wants."""
        return [CONTENDERS[name] for name in names if name in self.contenders]


class Skipped(Exception):
    """This machine lacks something that a measurement needs; the message says what."""
