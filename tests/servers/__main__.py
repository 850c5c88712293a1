"""``python -m tests.servers``: ask every server, and write the table if you want."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from ._differences import DIFFERENCES, GAPS
from ._questions import Question, QUESTIONS
from ._servers import Serving, SERVINGS

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "servers.md"
START, END = "<!-- servers: start -->", "<!-- servers: end -->"


class Answers:
    """A pytest plugin that keeps the outcome of each question on each server."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        about = dict(report.user_properties)
        if report.when == "call" and "server" in about:
            key = str(about["server"]), str(about["question"])
            # Each class of application is asked, and the worst outcome counts.
            if self.outcomes.get(key, "passed") == "passed":
                self.outcomes[key] = report.outcome


class Table:
    """Return the answers as a Markdown table, with notes on the differences below it."""

    def __init__(self, outcomes: dict[tuple[str, str], str]) -> None:
        self._outcomes = outcomes
        asked = {server for server, _ in outcomes}
        self._servings = [serving for serving in SERVINGS if serving.name in asked]
        self._notes: list[str] = []

    def __str__(self) -> str:
        rows = [
            [question.name, *(self._cell(serving, question) for serving in self._servings)]
            for question in QUESTIONS
        ]
        header = ["", *(serving.name for serving in self._servings)]
        rule = ["---", *(":-:" for _ in self._servings)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])
        notes = "\n".join(f"{number}. {why}." for number, why in enumerate(self._notes, start=1))
        return f"{self._setting()}.\n\n{table}\n\n{notes}".rstrip()

    def _cell(self, serving: Serving, question: Question) -> str:
        key = serving.name, str(question)
        if difference := DIFFERENCES.get(key):
            whose = difference.whose or serving.needs[0]
            return self._note(f"{whose.capitalize()} {difference.why}")
        if gap := GAPS.get(key):
            return self._note(f"Not yet: {gap}")
        return "✓" if self._outcomes.get((serving.name, question.name)) == "passed" else "?"

    def _note(self, why: str) -> str:
        if why not in self._notes:
            self._notes.append(why)
        return f"({self._notes.index(why) + 1})"

    def _setting(self) -> str:
        names = dict.fromkeys(name for serving in self._servings for name in serving.needs)
        versions = ", ".join(f"{name} {number}" for name in names if (number := _version(name)))
        return f"Python {platform.python_version()}, {platform.system()}; {versions}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _spliced(page: str, table: str) -> str:
    """Return *page* with *table* between its two markers."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"expected {START} and {END} in the page, in this order: add them")
    return f"{before}{START}\n\n{table}\n\n{END}{after}"


def main() -> int:
    """Return pytest's exit code; write the page only if it is 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("--write-docs", action="store_true", help=f"update docs/{PAGE.name}")
    options = parser.parse_args()
    answers = Answers()
    code = int(pytest.main([str(HERE / "test_servers.py"), "-q"], plugins=[answers]))
    table = str(Table(answers.outcomes))
    sys.stdout.write(f"\n{table}\n")
    if options.write_docs and code == 0:
        PAGE.write_text(_spliced(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
