"""What the reports and the help of `migrate` are on a terminal, and what elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from quart_flask_patch.migrate.command import migrate
from quart_flask_patch.migrate.compare import showing
from quart_flask_patch.migrate.compare.differing import Difference
from quart_flask_patch.migrate.compare.report import Exchange, Figures, Report
from quart_flask_patch.migrate.rewrite.run import rewrite
from quart_flask_patch.migrate.rewrite.show import show as show_rewriting
from quart_flask_patch.migrate.show import show as show_check
from quart_flask_patch.migrate.source import check_source

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals")

PROGRAM = """
import time
from flask import Flask

app = Flask(__name__)

@app.get("/[bold]")
def index():
    return (lambda: time.sleep(1))()

@app.get("/async")
async def asynchronous():
    time.sleep(1)
"""
ESCAPE = "\x1b["


def checked() -> None:
    from quart_flask_patch.migrate.findings import Report as Checked

    report = Checked()
    findings, report.views = check_source(Path("program.py"), False)
    report.add(findings)
    show_check(report, False)


def compared() -> None:
    report = Report("app", "a list", "flask", ["layer"])
    difference = Difference("body", "the text [red]was[/red]", "is")
    report.exchanges.append(Exchange(1, "GET", "/x", "", (200, 200), (("layer", difference),)))
    report.figures.append(Figures("flask", "gunicorn", "3.1.3", 100, 0.5, 50 << 20, 60 << 20))
    showing.show(report, False)


def rewritten() -> None:
    show_rewriting(rewrite(Path("program.py"), "async", ()), False)


#: What each shows in any case.
SHOWN = {
    checked: ["time.sleep(...) waits", "1 error"],
    compared: ["the text [red]was[/red]", "1 requests: 0 equal, 1 differ"],
    rewritten: ["+async def index", "no await can stand", "1 thing to do by hand"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    for name in "NO_COLOR", "FORCE_COLOR":
        monkeypatch.delenv(name, raising=False)


@contextmanager
def output_to(monkeypatch: pytest.MonkeyPatch, end: int) -> Iterator[None]:
    with monkeypatch.context() as patched, os.fdopen(end, "w", encoding="utf-8") as file:
        patched.setattr(sys, "stdout", file)
        patched.setattr(sys, "stderr", file)
        yield


def read(end: int) -> str:
    with os.fdopen(end, "rb", buffering=0) as file:
        found = b""
        try:
            while chunk := file.read(65536):
                found += chunk
        except OSError:
            pass  # a terminal whose other end is closed
    return found.decode()


@pytest.mark.parametrize("put_out", SHOWN)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, put_out: Callable[[], None], is_terminal: bool
) -> None:
    ours, theirs = os.openpty() if is_terminal else os.pipe()
    with output_to(monkeypatch, theirs):
        put_out()
    text = read(ours)
    assert (ESCAPE in text) == is_terminal
    assert [each for each in SHOWN[put_out] if each not in text] == []


# --- the help ------------------------------------------------------------------------------------

PAGES = Path(__file__).parent.parent.parent
COMMANDS: dict[str, click.Command] = {"": migrate, **migrate.commands}


def help_of(name: str) -> str:
    result = CliRunner().invoke(migrate, [*name.split(), "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_short_and_leads_on(name: str) -> None:
    description = help_of(name).partition("\nOptions:")[0]
    assert len(description.splitlines()) <= 26
    (page,) = re.findall(r"More: (docs/\w+\.md)", description)
    assert (PAGES / page).exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_the_help_is_a_command(name: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"^    python -m quart_flask_patch (.*)$", help_of(name), re.MULTILINE)
    before, _, words = example.partition("migrate ")
    chosen, *arguments = shlex.split(words)
    # `--app` may also stand before the group.
    assert before in {"", "--app yourapp "}
    assert (chosen == name) == bool(name)
    COMMANDS[chosen].make_context(chosen, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_is_for(name: str) -> None:
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
