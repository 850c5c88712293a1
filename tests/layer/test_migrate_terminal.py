"""What the reports of `migrate` are on a terminal, and what elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
