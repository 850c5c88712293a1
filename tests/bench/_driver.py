"""Runs contenders' workers in turn, round by round, and collects what they spent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, IO

from ._contenders import Contender
from ._environments import ROOT
from ._processors import apart, started_on
from ._samples import Cell, Samples, turns
from ._scenarios import Scenario
from ._settings import Say


class Failure(Exception):
    """A contender could not do what it was asked for."""


class Worker:
    """The driver's end of one contender's process, which starts by the first use."""

    def __init__(self, contender: Contender, tasks: str, loop: str) -> None:
        self.contender = contender
        self._tasks, self._loop = tasks, loop
        self._process: subprocess.Popen[str] | None = None
        self._is_broken = self._has_answered = False

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one command and wait for its reply, or raise ``Failure``."""
        if self._is_broken:
            raise Failure("its process does not start")
        process = self._process or self.start()
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

    def start(self) -> subprocess.Popen[str]:
        """Start the process, which gets ready by itself."""
        contender = self.contender
        self._has_answered = False
        # What it costs to wake a thread on another processor varies more than all the rest.
        processor, _ = apart()
        with started_on(processor):
            self._process = subprocess.Popen(
                [
                    *(str(contender.environment.python()), "-m", f"{__package__}._worker"),
                    *(self._tasks, contender.app, "--interface", contender.interface),
                    *("--loop", self._loop, *(["--patched"] if contender.is_patched else [])),
                ],
                cwd=ROOT,
                env=contender.environ(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._process


@dataclass
class Results:
    """Microseconds of CPU time per request, by scenario and contender."""

    tasks: str
    loop: str
    rounds: int
    scenarios: Mapping[str, Scenario]
    contenders: list[Contender]
    micros: Samples = field(default_factory=Samples)
    failures: dict[Cell, str] = field(default_factory=dict)

    @property
    def titles(self) -> dict[str, str]:
        return {key: f"{key} {scenario.title}" for key, scenario in self.scenarios.items()}

    def faults(self) -> list[str]:
        return [f"{key} {name}: {why}" for (key, name), why in self.failures.items()]

    def as_json(self) -> dict[str, Any]:
        """Each round's figure, and what failed."""
        figures: dict[str, dict[str, Any]] = {key: {} for key in self.scenarios}
        for (key, name), rounds in self.micros.items():
            figures[key][name] = rounds
        for (key, name), why in self.failures.items():
            figures[key][name] = why
        return {"micros": figures}


def measure(results: Results, budget: float, say: Say) -> None:
    """Fill ``results``; each contender's share of a round takes about ``budget`` seconds."""
    workers = [Worker(each, results.tasks, results.loop) for each in results.contenders]
    try:
        # All at once, since building an application may take long.
        for worker in workers:
            worker.start()
        for scenario in results.scenarios.values():
            say(f"{scenario.key}: {scenario.title} ({results.loop})")
            _measure_scenario(results, scenario, workers, budget)
    finally:
        for worker in workers:
            worker.stop()


def _measure_scenario(
    results: Results, scenario: Scenario, workers: list[Worker], budget: float
) -> None:
    counts: dict[Worker, int] = {}
    for worker in workers:
        if not scenario.suits(worker.contender):
            continue
        try:
            counts[worker] = _prepare(worker, scenario, budget)
        except Failure as failure:
            results.failures[scenario.key, worker.contender.name] = str(failure)
    for worker in turns(list(counts), results.rounds):
        cell = scenario.key, worker.contender.name
        if cell in results.failures:
            continue
        try:
            cpu = worker.ask("run", scenario=scenario.key, count=counts[worker])["cpu"]
        except Failure as failure:
            results.failures[cell] = str(failure)
            results.micros.pop(cell, None)
        else:
            results.micros.add(*cell, cpu / counts[worker] * 1e6)


def _prepare(worker: Worker, scenario: Scenario, budget: float) -> int:
    """Check the answers, warm up, and find how many requests fill the budget."""
    worker.ask("check", scenario=scenario.key)
    count = 1
    while True:
        cpu: float = worker.ask("run", scenario=scenario.key, count=count)["cpu"]
        if cpu >= budget / 4:
            return max(1, round(count * budget / cpu))
        count *= 4
