"""Runs the contenders' workers in turn, round by round, and collects what they spent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast, IO

from ._contenders import Contender, environ_for, python_for, ROOT, SHARED
from ._scenarios import Scenario

Say = Callable[[str], None]


class Failure(Exception):
    """A contender could not do what it was asked for."""


class Worker:
    """The driver's end of one contender's process, which starts on first use."""

    def __init__(self, contender: Contender, loop: str) -> None:
        self.contender = contender
        self._loop = loop
        self._process: subprocess.Popen[str] | None = None
        self._is_broken = False

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and wait for its reply, or raise ``Failure``."""
        if self._is_broken:
            raise Failure("its process does not start")
        process = self._process or self._start()
        try:
            stdin = cast("IO[str]", process.stdin)
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
            line = cast("IO[str]", process.stdout).readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._is_broken = not self._has_answered
            self.stop()
            raise Failure("its process ended; standard error has the reason")
        self._has_answered = True
        reply = cast("dict[str, Any]", json.loads(line))
        if error := reply.get("error"):
            raise Failure(error)
        return reply

    def stop(self) -> None:
        """Close the worker's standard input and wait for it to end."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        contender = self.contender
        self._has_answered = False
        self._process = subprocess.Popen(
            [
                *(str(python_for(contender)), "-m", f"{__package__}._worker", contender.module),
                *("--interface", contender.interface, "--loop", self._loop),
            ],
            cwd=ROOT,
            env=environ_for(contender),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self._process


@dataclass
class Results:
    """Microseconds of CPU time per request, by scenario and contender, one value a round."""

    loop: str
    rounds: int
    scenarios: list[Scenario]
    contenders: list[Contender]
    versions: dict[str, str] = field(default_factory=dict)
    micros: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)


def measure(results: Results, budget: float, say: Say) -> None:
    """Fill ``results``; each contender's share of a round takes about ``budget`` seconds."""
    workers = [Worker(contender, results.loop) for contender in results.contenders]
    try:
        for scenario in results.scenarios:
            say(f"{scenario.key}: {scenario.title}")
            _measure_scenario(results, scenario, workers, budget)
        for worker in workers:
            _note_versions(results, worker)
    finally:
        for worker in workers:
            worker.stop()


def _measure_scenario(
    results: Results, scenario: Scenario, workers: list[Worker], budget: float
) -> None:
    counts: dict[Worker, int] = {}
    for worker in workers:
        try:
            counts[worker] = _prepare(worker, scenario, budget)
        except Failure as failure:
            results.failures[scenario.key, worker.contender.name] = str(failure)
    for turn in range(results.rounds):
        # A different contender goes first in each round, so none always follows the same one.
        for worker in _rotated(list(counts), turn):
            cell = scenario.key, worker.contender.name
            try:
                cpu = worker.ask("run", scenario=scenario.key, count=counts[worker])["cpu"]
            except Failure as failure:
                results.failures[cell] = str(failure)
                results.micros.pop(cell, None)
                del counts[worker]
            else:
                results.micros.setdefault(cell, []).append(cpu / counts[worker] * 1e6)


def _prepare(worker: Worker, scenario: Scenario, budget: float) -> int:
    """Check the answers, warm up, and find how many requests fill the budget."""
    worker.ask("check", scenario=scenario.key)
    count = 1
    while True:
        cpu = worker.ask("run", scenario=scenario.key, count=count)["cpu"]
        if cpu >= budget / 4:
            return max(1, round(count * budget / cpu))
        count *= 4


def _rotated(items: list[Worker], by: int) -> Iterable[Worker]:
    by %= max(1, len(items))
    return items[by:] + items[:by]


def _note_versions(results: Results, worker: Worker) -> None:
    wanted = list(worker.contender.distributions)
    if worker.contender.is_ours:
        wanted = ["quart-flask-patch", *SHARED]
    try:
        found = worker.ask("versions", of=wanted)["versions"]
    except Failure:
        return
    results.versions.update({name: found[name] for name in found if name not in results.versions})
