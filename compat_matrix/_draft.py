"""``python -m compat_matrix add NAME``: draft a row from the extension's sdist."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from compat_matrix import _guess
from compat_matrix._compare import counts_of, fails
from compat_matrix._report import count_text, test_line
from compat_matrix._results import FLASK, Result
from compat_matrix._rows import Counts, HERE, load_settings, Row, RowError, Tier
from compat_matrix._run import run_suite
from compat_matrix._sdist import locate_sdist, sdist, unpack
from compat_matrix._uv import cache_dir, EnvironmentProblem

FAST = 15.0  # seconds on Flask
ROUNDS = 4  # how often the suite is run again with the modules that were missing
SHOWN = 8  # failing tests


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m compat_matrix add",
        description="Draft a row of the matrix: find the extension's newest sdist, its tests and"
        " what they need, run them on Flask, write the row and say what to look at.",
    )
    made.add_argument("name", metavar="NAME", help="the extension's name on the package index")
    made.add_argument("--version", help="take this release; the newest may ship no tests")
    made.add_argument("--tests", metavar="PATH", help="where the tests are in the sdist")
    made.add_argument(
        "--requires", action="append", default=[], metavar="REQUIREMENT", help="install this, too"
    )
    made.add_argument("--force", action="store_true", help="write over the row that is there")
    return made


def say(*lines: str) -> None:
    print("\n".join(lines), flush=True)  # noqa: T201 - the tool's output


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    name = options.name.lower().replace("_", "-")
    path = HERE / "rows" / f"{name}.toml"
    if path.exists() and not options.force:
        parser().error(f"there is a row {name} already; --force writes over it")
    try:
        row, why = draft(name, options)
        row, result = run_on_flask(row, why)
    except (EnvironmentProblem, RowError) as problem:
        say(str(problem))
        return 3
    path.write_text(as_toml(row), "utf-8")
    say(f"\nwrote {path}", *look_at(row, result))
    return 0


def draft(name: str, options: argparse.Namespace) -> tuple[Row, dict[str, str]]:
    """Return the row as far as its sdist tells, and where each requirement was found."""
    located = locate_sdist(f"{name}=={options.version}" if options.version else name)
    row = Row(name, located.version, located.sha256, (), Counts(passed=0), test_timeout=60.0)
    say(f"{name} {located.version}: {located.url.rpartition('/')[2]}")
    with tempfile.TemporaryDirectory() as folder:
        top = unpack(sdist(row, cache_dir()), Path(folder))
        tests = options.tests or _guess.tests_folder(top)
        if not tests or not (top / tests).exists():
            raise RowError(
                f"expected tests in the sdist of {name} {located.version}, found none; try an older"
                " release with --version, name them with --tests, or describe how the extension is"
                f" used in a scenario ({HERE.name}/scenarios)"
            )
        why = _guess.requirements(top, name) | dict.fromkeys(options.requires, "--requires")
        arguments = _guess.arguments(top, tests)
    say(f"its tests are in {tests}")
    return dataclasses.replace(row, arguments=arguments, requires=tuple(why)), why


def run_on_flask(row: Row, why: dict[str, str]) -> tuple[Row, Result]:
    """Run the suite on Flask, and again with the modules that were missing."""
    for _ in range(ROUNDS):
        say(*(f"  requires {name}, from {where}" for name, where in why.items()))
        result = run_suite(row, FLASK, cache_dir())
        say(f"on Flask: {result.problem or count_text(counts_of(result))}  ({result.seconds:g} s)")
        why = {
            name: "an import in its tests, which say nothing of it"
            for name in missing(result)
            if name not in row.requires
        }
        if not why:
            break
        row = dataclasses.replace(row, requires=(*row.requires, *why))
    if not result.tests:
        raise RowError(f"{result.problem}; the last it printed:\n{last_lines(result)}")
    tier: Tier = "fast" if result.seconds < FAST else "full"
    return dataclasses.replace(row, baseline=counts_of(result), tier=tier), result


def last_lines(result: Result) -> str:
    return "\n".join(result.output.strip().splitlines()[-15:])


def missing(result: Result) -> list[str]:
    """Return the modules that could not be imported; packages mostly have their module's name."""
    texts = [result.output, *(test.text for test in result.tests.values())]
    pattern = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
    names = dict.fromkeys(name for text in texts for name in pattern.findall(text))
    excluded = {name.replace("-", "_") for name in load_settings().excludes} | {"tests", "test"}
    return [name.replace("_", "-") for name in names if name not in excluded]


def look_at(row: Row, result: Result) -> Iterator[str]:
    """Yield what you should look at before you commit the row."""
    failing = [test for test in result.tests.values() if fails(test)]
    if result.problem:
        yield f"Look at: on Flask {result.problem}; the last that pytest printed:"
        yield last_lines(result)
    if failing:
        yield f"Look at: {len(failing)} tests do not pass on Flask. What is missing goes into"
        yield "`requires` or `environment`, what needs a server into `services`:"
        yield from (test_line(one.outcome, one.id, one.text) for one in failing[:SHOWN])
    if row.arguments[1:]:
        yield "Look at: the suite's own `addopts` are unset, since they would need more plugins."
    if row.baseline.skipped:
        yield f"Look at: {row.baseline.skipped} tests are skipped; do they miss a package?"
    yield f"Then: python -m compat_matrix {row.name} --why {row.name}"
    yield f"and commit the row with its results: python -m compat_matrix {row.name} --update"


# --- TOML ----------------------------------------------------------------------------------------


def as_toml(row: Row) -> str:
    """Return the row's file, with what differs from the defaults."""
    lines = [
        f"{item.name} = {toml_value(getattr(row, item.name))}"
        for item in dataclasses.fields(Row)
        if item.name not in ("baseline", "deselect")
        and getattr(row, item.name) != item.default
        and getattr(row, item.name) != {}
    ]
    counts = dataclasses.asdict(row.baseline)
    baseline = [f"{name} = {toml_value(n)}" for name, n in counts.items() if n or name == "passed"]
    return "\n".join([*lines, "", "[baseline]", *baseline, ""])


def toml_value(value: object) -> str:
    """Return a string, a number or a list of strings as TOML, which JSON writes alike."""
    if isinstance(value, tuple) and sum(map(len, value)) > 60:
        return "\n".join(["[", *(f"    {json.dumps(item)}," for item in value), "]"])
    return json.dumps(value)
