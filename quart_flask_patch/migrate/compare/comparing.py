"""Run the whole comparison."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .answers import Answer, Patience
from .differing import Compared, Comparison, Heard
from .masks import Masks
from .measuring import measured
from .recorded import CompareError, Headers, Recorded, Source
from .report import Exchange, Figures, Report
from .rules import Rules
from .sides import Plan, Side, stop_all
from .sources import of_routes

#: How many bytes of a body are compared one by one; the rest is compared by a digest.
KEPT = 2 << 20


@dataclass(frozen=True)
class Asking:
    """What to send, and how."""

    source: Source | None
    named: str
    rules: Rules
    host: str | None = None
    added: Headers = ()
    limit: int = 1000
    timeout: float = 10.0
    start_timeout: float = 60.0
    measure: float = 0.0
    tokens: frozenset[str] = frozenset()
    tell: Callable[[str], None] = field(default=lambda text: None)


def compare(reference: Plan, others: Sequence[Plan], asking: Asking) -> Report:
    """Serve all sides, send the same to each, and return what differs."""
    with tempfile.TemporaryDirectory(prefix="compare-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve()
        plans = [reference, *others]
        sides = [
            Side(plan, root / str(number), asking.tokens) for number, plan in enumerate(plans, 1)
        ]
        with running(sides, asking):
            return _Run(sides, asking).report()


@contextmanager
def running(sides: Sequence[Side], asking: Asking) -> Iterator[None]:
    try:
        for side in sides:
            asking.tell(f"preparing {side.name}")
            side.prepare()
        for side in sides:
            side.start()
        for side in sides:
            asking.tell(f"starting {side.name}")
            side.wait_until_ready(asking.start_timeout)
        yield
    finally:
        stop_all(sides)


class _Run:
    def __init__(self, sides: Sequence[Side], asking: Asking) -> None:
        self.sides, self.asking = sides, asking
        self.reference, self.others = sides[0], sides[1:]
        self.source = asking.source or of_routes(self.reference.paths)
        self.host = asking.host or self.source.host or "localhost"
        self.masks = Masks()
        self.comparison = Comparison(asking.rules, self.masks, KEPT)
        self.patience = Patience(asking.timeout, KEPT)
        app = self.others[0].plan.app
        names = [side.name for side in self.others]
        self.result = Report(app, asking.named, self.reference.name, names)
        #: Requests that can be repeated to measure: safe ones that were answered.
        self.safe: list[Recorded] = []

    def report(self) -> Report:
        self._note()
        requests = itertools.islice(self._wanted(), self.asking.limit)
        with ThreadPoolExecutor(len(self.sides)) as pool:
            for number, recorded in enumerate(requests, 1):
                self.asking.tell(f"request {number}")
                answers = self._exchange(number, recorded, pool)
                if self._has_ended(answers):
                    break
        self._finish()
        return self.result

    def _wanted(self) -> Iterator[Recorded]:
        for recorded in self.source.requests:
            if self.asking.rules.passes_over(recorded.path):
                self.source.skipped["requests that a rule leaves out"] += 1
            else:
                yield recorded

    def _note(self) -> None:
        for side in self.sides:
            if side.is_outside():
                self.result.notes.append(
                    f"{side.name}: the application was not loaded from the copied folder but from"
                    f" {side.told['root']}, so files that it writes there are shared by all sides"
                )

    def _exchange(self, number: int, recorded: Recorded, pool: ThreadPoolExecutor) -> list[Answer]:
        def asked(side: Side) -> Answer:
            return side.ask(recorded, self.host, self.asking.added, self.patience)

        answers = list(pool.map(asked, self.sides))
        self._learn(recorded, answers)
        heard = [
            Heard(answer, side.literals(recorded.client))
            for answer, side in zip(answers, self.sides, strict=True)
        ]
        compared = [self.comparison.compare(heard[0], other) for other in heard[1:]]
        for name in {name for each in compared for name in each.left_out}:
            self.result.left_out[name] += 1
        if recorded.method in ("GET", "HEAD") and all(answer.status for answer in answers):
            self.safe.append(recorded)
        self.result.exchanges.append(self._told(number, recorded, answers, compared))
        return answers

    def _told(
        self,
        number: int,
        recorded: Recorded,
        answers: Sequence[Answer],
        compared: Sequence[Compared],
    ) -> Exchange:
        differences = tuple(
            (side.name, difference)
            for side, each in zip(self.others, compared, strict=True)
            for difference in each.differences
        )
        path = self.masks.over_path(recorded.path)
        statuses = tuple(answer.status for answer in answers)
        place = self.masks.over(recorded.place)
        return Exchange(number, recorded.method, path, place, statuses, differences)

    def _learn(self, recorded: Recorded, answers: Sequence[Answer]) -> None:
        """Add the secrets of this exchange to the masks."""
        self.masks.add_request(recorded)
        self.masks.add(value.partition(" ")[2] or value for _, value in self._credentials())
        for side in self.sides:
            conversation = side.conversation(recorded.client)
            self.masks.add(conversation.jar.kept.values())
            self.masks.add(conversation.tokens.seen)

    def _credentials(self) -> Headers:
        return tuple(
            (name, value)
            for name, value in self.asking.added
            if name.lower() in ("authorization", "cookie", "x-api-key")
        )

    def _has_ended(self, answers: Sequence[Answer]) -> bool:
        for side, answer in zip(self.sides, answers, strict=True):
            if not answer.status and not answer.unended and side.began_anew():
                self.result.notes.append(
                    f"{side.name}: the process that served it ended, and another took its place"
                )
            if side.has_ended:
                what = f"the server of {side.name} ended by itself: {side.output()}"
                if side is self.reference:
                    raise CompareError(self.masks.over(what))
                self.result.problems.append(self.masks.over(what))
        return bool(self.result.problems)

    def _finish(self) -> None:
        result = self.result
        # Mask once more, as a text may contain a secret that was learnt only later.
        result.exchanges = [exchange.masked(self.masks.over) for exchange in result.exchanges]
        result.skipped += self.source.skipped
        if len(result.exchanges) >= self.asking.limit and next(self._wanted(), None) is not None:
            result.notes.append(
                f"only the first {self.asking.limit} requests were sent; --limit sends more"
            )
        if not result.exchanges:
            passed = "; ".join(f"{count} {what}" for what, count in result.skipped.items())
            raise CompareError(
                f"Expected requests to send, got none from {self.asking.named}"
                f"{f' ({passed})' if passed else ''}."
            )
        if self.asking.measure and self.safe and not result.problems:
            result.measured = f"by asking again for {self.asking.measure:g} seconds of CPU"
            result.figures = [self._measured(side) for side in self.sides]
        else:
            result.figures = [_figures(side) for side in self.sides]

    def _measured(self, side: Side) -> Figures:
        self.asking.tell(f"measuring {side.name}")
        prepared = [
            side.conversation(each.client).prepare(each, self.host, self.asking.added)
            for each in self.safe
        ]
        side.begun, side.sent = side.usage(), 0
        side.sent = measured(
            side.port, prepared, self.asking.measure, side.cpu_since, self.patience
        )
        return _figures(side)


def _figures(side: Side) -> Figures:
    flask = str(side.told.get("flask", ""))
    used = None if side.has_ended else side.usage()
    if used is None or side.begun is None:
        return Figures(side.name, side.server, flask, side.sent, has_ended=side.has_ended)
    cpu = used.cpu - side.begun.cpu
    return Figures(side.name, side.server, flask, side.sent, cpu, used.memory, used.peak)
