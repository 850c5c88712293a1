"""A suite's result: read from the plugin's report, kept on disk, and found again."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from compat_matrix._environment import environment_digest
from compat_matrix._rows import (
    digest,
    HERE,
    load_settings,
    Place,
    PROJECT,
    Row,
    row_digest,
    Through,
)

# If a test's phases (setup, call, teardown) have several outcomes, the first of these counts.
BY_WEIGHT = ("error", "failed", "unfinished", "xfailed", "xpassed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Side:
    """The software that a suite runs on: Flask itself, the core alone, or the layer in one place.

    The last two run on one event loop; the core alone is for the suites of Quart's extensions.
    """

    on: Literal["flask", "core", "layer"]
    place: Place | None = None
    loop: str = "asyncio"
    through: Through = "client"

    def __str__(self) -> str:
        name: str = self.place or self.on
        if self.through == "server":
            name = f"{name} (server)"
        return name if self.loop == "asyncio" else f"{name}+{self.loop}"


FLASK = Side("flask")
#: Flask, where a thread other than the test's calls the application, as a server's does.
IN_A_THREAD = Side("flask", through="server")


@dataclass(slots=True)
class Case:
    """The result of one test; *served* counts the connections that reached an application."""

    id: str
    outcome: str = "unfinished"
    text: str = ""
    seconds: float = 0.0
    served: int = 0


@dataclass(slots=True)
class Result:
    """The result of one run of a suite."""

    tests: dict[str, Case] = field(default_factory=dict)
    seconds: float = 0.0
    problem: str = ""  # why the run did not come to its end by itself, if it did not
    output: str = ""  # the last that pytest printed
    command: str = ""
    key: str = ""  # of all that the result depends on
    ended: float = 0.0  # when, in seconds since 1970

    def counts(self) -> Counter[str]:
        return Counter(test.outcome for test in self.tests.values())

    @property
    def served(self) -> int:
        """Return how many tests sent a connection to an application on the core."""
        return sum(test.served > 0 for test in self.tests.values())


# --- Reading the plugin's report -----------------------------------------------------------------


def heavier(one: str, other: str) -> str:
    return min(one, other, key=BY_WEIGHT.index)


def read_events(lines: Iterable[str]) -> tuple[dict[str, Case], bool]:
    """Return the tests from the plugin's lines, and whether the session has ended."""
    tests: dict[str, Case] = {}
    phases: dict[str, str] = {}
    ended = False
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # The process was killed while it wrote its last line.
        ended = ended or event["event"] == "end"
        if "id" in event:
            read_event(event, tests, phases)
    return tests, ended


def read_event(event: dict[str, Any], tests: dict[str, Case], phases: dict[str, str]) -> None:
    test = tests.setdefault(event["id"], Case(event["id"]))
    match event["event"]:
        case "phase":
            outcome = event["outcome"]
            if outcome == "failed" and event["when"] != "call":
                outcome = "error"
            phases[test.id] = heavier(phases.get(test.id, "passed"), outcome)
            test.text = "\n".join(filter(None, [test.text, event["text"]]))
            test.seconds += event["seconds"]
            test.served = event["served"]
        case "finish":
            test.outcome = phases.pop(test.id, "unfinished")
            test.served = event["served"]
        case "collect":
            test.outcome, test.text = "error", event["text"]


# --- Keeping results -----------------------------------------------------------------------------


def texts(*folders: Path) -> list[tuple[str, str]]:
    """Return all source files in *folders*, by their names there."""
    return [
        (str(path.relative_to(folder.parent)), path.read_text("utf-8"))
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
    ]


def source_digest() -> str:
    """Return a digest of this project's source, for suites on the core or the layer."""
    return digest(texts(PROJECT / "core" / "quart", PROJECT / "quart_flask_patch"))


def result_key(row: Row, side: Side) -> str:
    """Return a digest of everything that a result depends on, except the user's machine."""
    run_by = [texts(HERE / "_site"), (HERE / "_plugin.py").read_text("utf-8")]
    content: list[object] = [row_digest(row), environment_digest(row, load_settings()), run_by]
    if side == IN_A_THREAD:
        content.append((HERE / "_own_thread.py").read_text("utf-8"))
    if side.on != "flask":
        left_out = [asdict(entry) for entry in row.deselected(side.place, side.through)]
        content += [asdict(side), left_out, source_digest()]
    return digest(content)


def result_file(row: Row, side: Side, cache: Path) -> Path:
    """Return where a result is kept: on Flask for all checkouts, otherwise for this one only."""
    if side.on == "flask":
        return cache / "results" / f"{row.name}-flask-{result_key(row, side)}.json"
    return cache / "results" / digest(str(PROJECT)) / f"{row.name}-{side}.json"


def save_result(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{time.monotonic_ns()}")  # another process may read the file
    partial.write_text(json.dumps(asdict(result)))
    partial.replace(path)


def load_result(path: Path) -> Result | None:
    try:
        data = json.loads(path.read_text())
        tests = {name: Case(**test) for name, test in data.pop("tests").items()}
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
    return Result(tests=tests, **data)


def usable_result(row: Row, side: Side, cache: Path, since: float) -> Result | None:
    """Return a kept result that ended after *since*, if nothing that it depends on has changed.

    A run that was ended at its time limit, or that crashed, does not count.
    """
    kept = load_result(result_file(row, side, cache))
    if kept is None or kept.problem or kept.ended < since or kept.key != result_key(row, side):
        return None
    return kept
