"""What the compatibility matrix makes of its findings: pages, committed results, resumed runs."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compat_matrix import __main__ as tool, _committed, _display, _results, _run
from compat_matrix._badge import badge
from compat_matrix._compare import compare
from compat_matrix._html import page
from compat_matrix._matrix import sides
from compat_matrix._record import Record, record_of
from compat_matrix._report import RowReport
from compat_matrix._results import Case, Result, Side
from compat_matrix._rows import Counts, Deselected, load_rows, Row
from compat_matrix._table import tables

LOOP, THREAD = Side("layer", "loop"), Side("layer", "thread")


def make_row(**values: object) -> Row:
    row = Row("sample", "1.0", "0" * 64, ("tests",), Counts(passed=1))
    return dataclasses.replace(row, **values)  # type: ignore[arg-type]


def make_result(**outcomes: str) -> Result:
    tests = {
        name: Case(name, outcome, f"Traceback of {name} & <b>" if outcome == "failed" else "")
        for name, outcome in outcomes.items()
    }
    return Result(tests, 1.0, ended=1_700_000_000)


def make_record(row: Row | None = None, *sides: Side, source: str = "1", **outcomes: str) -> Record:
    """The record of a row of which two tests, a and b, pass on Flask."""
    row = row or make_row()
    report = RowReport(row, make_result(a="passed", b="passed"))
    result = make_result(**({"a": "passed", "b": "passed"} | outcomes))
    for side in sides or (LOOP, THREAD):
        found = compare(row, side, make_result(a="passed", b="passed"), result)
        report.layers.append((side, result, found))
    record = record_of(report)
    kept = {name: dataclasses.replace(side, source=source) for name, side in record.sides.items()}
    return dataclasses.replace(record, sides=kept)


# --- how requests came to the application ---

SERVED = Side("layer", "loop", through="server")


@pytest.mark.parametrize(
    ("values", "way"),
    [({}, "client"), ({"scenario": "flask_mail"}, "HTTP"), ({"framework": "quart"}, "ASGI")],
    ids=["suite", "scenario", "quart"],
)
def test_a_record_says_how_its_row_was_called(values: dict[str, object], way: str) -> None:
    record = make_record(make_row(**values))
    assert record.called == [way]
    assert f"Called: {way}." in page([record])


def test_a_row_that_was_called_in_two_ways_has_both_in_one_record() -> None:
    client, server = make_record(None, LOOP), make_record(None, SERVED, b="failed")
    both = _committed.merge(client, server)
    assert list(both.sides) == ["loop", "loop (server)"]
    assert not both.green
    assert any("| client, ✗ server |" in line for line in tables([both]))
    (carried,) = json.loads(_committed.carried([both], {"sample": make_row()}))
    assert carried["called"] == ["client", "server"]


def test_what_fails_on_flask_in_another_thread_is_left_out() -> None:
    found = compare(
        make_row(),
        SERVED,
        make_result(a="passed", b="passed", c="passed"),
        make_result(a="failed", b="failed", c="passed"),
    )
    found.leave_out(make_result(a="failed", b="passed", c="failed"))
    assert found.own_thread == ["a"]
    assert [one.id for one in found.worse] == ["b"]
    assert (found.alike, found.left_out, found.green) == (1, 1, False)


def test_the_page_says_what_flask_leaves_out_in_another_thread() -> None:
    record = make_record(None, SERVED)
    (name, side), *_ = record.sides.items()
    side = dataclasses.replace(side, own_thread=["a"])
    record = dataclasses.replace(record, sides={name: side})
    assert "- sample, 1 (found through a server): They fail on Flask too" in "\n".join(
        tables([record])
    )


def test_only_requests_of_flasks_client_can_come_through_a_server() -> None:
    options = tool.parser().parse_args(["--through", "server", "--place", "loop"])
    rows = make_row(), make_row(scenario="flask_mail"), make_row(framework="quart")
    assert [[str(side) for side in sides(row, options)] for row in rows] == [
        ["loop (server)"],
        ["loop"],
        ["core", "loop"],
    ]


# --- the committed results ---


def test_what_is_committed_belongs_to_the_rows_and_is_what_the_pages_show() -> None:
    rows, records = load_rows(), _committed.load_committed()
    assert records.keys() <= rows.keys()
    assert {name: record.version for name, record in records.items()} == {
        name: rows[name].version for name in records
    }
    text = _committed.PAGE.read_text("utf-8")
    assert _committed.with_tables(text, list(records.values())) == text
    assert _committed.BADGE.read_text("utf-8") == badge(list(records.values()))


def test_a_record_survives_being_committed() -> None:
    entry = Deselected("tests/a.py", "flaky", "now and then")
    record = make_record(make_row(deselect=(entry,)), b="failed")
    assert Record.parse(json.loads(_committed.as_json(record))) == record


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without committed results; the folder of its pages."""
    monkeypatch.setattr(_committed, "PROJECT", tmp_path)
    monkeypatch.setattr(_committed, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(_committed, "PAGE", tmp_path / "matrix.md")
    monkeypatch.setattr(_committed, "BADGE", tmp_path / "matrix.svg")
    monkeypatch.setattr(_committed, "CARRIED", tmp_path / "matrix.json")
    (tmp_path / "matrix.md").write_text(
        f"# Before\n{_committed.START}\nold\n{_committed.END}\nafter"
    )
    return tmp_path


def test_an_update_keeps_the_results_of_other_rows(committed: Path) -> None:
    rows = {"sample": make_row(), "other": make_row(name="other")}
    list(_committed.update([make_record(), make_record(rows["other"], b="failed")], rows))
    list(_committed.update([make_record(b="failed")], rows))
    found = _committed.load_committed()
    assert {name: record.green for name, record in found.items()} == {
        "sample": False,
        "other": False,
    }
    text = (committed / "matrix.md").read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("after")
    assert "0 of 2 suites that were measured are green" in text
    assert "old" not in text
    assert "| sample | 1.0 | 2 | ✗ 1 differ | ✗ 1 differ |" in text
    del rows["other"]
    list(_committed.update([make_record()], rows))
    assert list(_committed.load_committed()) == ["sample"]
    assert (
        "1 of 1 suites that were measured are green; 2 tests"
        in (committed / "matrix.md").read_text()
    )


def test_an_update_takes_nothing_that_is_not_about_this_source(committed: Path) -> None:
    rows = {"sample": make_row()}
    (said, _) = _committed.update([make_record(source="")], rows)
    assert said == "  not updated: sample: the source has changed since it ran"
    broken = dataclasses.replace(make_record(), problem="no index\nmore")
    (said, _) = _committed.update([broken], rows)
    assert said == "  not updated: sample: no index"
    assert _committed.load_committed() == {}


def test_sides_are_merged_only_if_they_are_about_the_same_row() -> None:
    old = make_record(None, LOOP, b="failed")
    both = _committed.merge(old, make_record(None, THREAD))
    assert list(both.sides) == ["loop", "thread"]
    assert not both.green
    changed = make_record(make_row(version="1.1"), THREAD)
    assert _committed.merge(old, changed) == changed


def test_a_row_turns_when_it_was_green_and_is_not() -> None:
    green, red = make_record(), make_record(b="failed")
    assert _committed.turned(green, green) == []
    assert _committed.turned(red, red) == []
    assert _committed.turned(red, green) == []
    assert [text.partition(" is")[0] for text in _committed.turned(green, red)] == [
        "sample [loop]",
        "sample [thread]",
    ]
    assert len(_committed.turned(None, red)) == 2
    assert _committed.turned(None, green) == []


def test_a_row_turns_when_its_suite_fell_apart_on_both_sides() -> None:
    row = make_row(baseline=Counts(passed=2))
    before = make_record(row, LOOP)
    half = make_result(a="passed", b="failed")
    report = RowReport(row, half, [(LOOP, half, compare(row, LOOP, half, half))])
    (said,) = _committed.turned(before, record_of(report))
    assert "only 1 tests pass here and on the reference, 2 did" in said
    without_service = dataclasses.replace(record_of(report), baseline=Counts(passed=1))
    assert _committed.turned(before, without_service) == []


# --- pages ---


def test_the_page_shows_each_difference_and_needs_no_other_file() -> None:
    entry = Deselected("tests/c.py", "source", "reads Flask's own source")
    html = page([make_record(make_row(deselect=(entry,)), b="failed"), make_record(name_row("x"))])
    assert "Traceback of b &amp; &lt;b&gt;" in html
    assert "reads Flask&#39;s own source" in html
    assert "1 of 2 suites that were measured are green" in html
    assert re.findall(r"(?:src|href)=", html) == []
    assert html.count('data-verdict="green"') == 1


def name_row(name: str) -> Row:
    return make_row(name=name)


def test_a_row_that_could_not_be_run_is_on_the_page() -> None:
    report = RowReport(make_row(), problem="the index does not answer")
    record = record_of(report)
    assert "the index does not answer" in page([record, make_record()])
    assert any("not measured" in line for line in tables([record, make_record()]))


@pytest.mark.parametrize(("outcome", "colour"), [("passed", "#2e7d32"), ("failed", "#b3261e")])
def test_the_badge_tells_suites_version_and_day(outcome: str, colour: str) -> None:
    record = make_record(b=outcome)
    record.versions["flask"] = "3.1.3"
    svg = badge([record])
    ElementTree.fromstring(svg)
    green = int(outcome == "passed")
    assert f"{green} of 1 suites green · Flask 3.1.3 · 2023-11-14" in svg
    assert colour in svg


def test_a_record_names_no_folder_of_its_user() -> None:
    text = f'File "{_committed.PROJECT}/core/quart/app.py"\nFile "{Path.home()}/x.py"'
    report = RowReport(make_row(), make_result(a="passed"))
    result = Result({"a": Case("a", "failed", text)})
    report.layers = [(LOOP, result, compare(make_row(), LOOP, make_result(a="passed"), result))]
    (difference,) = record_of(report).sides["loop"].worse
    assert str(Path.home()) not in str(difference.layer)
    assert 'File "<checkout>/core/quart/app.py"' in str(difference.layer)


# --- what is shown meanwhile ---


def test_a_running_suite_tells_how_far_it_has_come(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    running = _display.Running(make_row(baseline=Counts(passed=3)), THREAD)
    running.watch(report)
    assert running.look() == 0
    line = json.dumps({"event": "finish", "id": "a"}) + "\n"
    report.write_text(line + line[:9])
    assert running.look() == 1
    report.write_text(line + line)
    assert running.look() == 2
    assert running.text().startswith("sample thread: 2 of 3 tests, ")


def test_plain_output_says_now_and_then_what_still_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    display = _display.display_for(2)
    assert type(display) is _display.Display  # standard output is no terminal
    with display.running(make_row(), LOOP):
        display.waiting()
        assert capsys.readouterr().out == ""
        monkeypatch.setattr(_display, "PATIENCE", -1.0)
        display.waiting()
    assert "still running: sample loop: 0 of 1 tests" in capsys.readouterr().out


def test_a_terminal_shows_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    rich_console = pytest.importorskip("rich.console")
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = rich_console.Console(force_terminal=True, width=80, record=True)
    text = TextColumn("{task.description}")
    progress = Progress(text, BarColumn(), MofNCompleteColumn(), console=console)
    with _display.Bars(2, progress) as bars:
        with bars.running(make_row(), LOOP) as running:
            running.finished = 1
            bars.waiting()
            progress.refresh()
        bars.say(["sample green"])
    printed = console.export_text()
    assert "sample loop" in printed
    assert "1/1" in printed
    assert "all suites" in printed


# --- runs that are interrupted ---

RunTwice = Callable[..., list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunTwice:
    """Run the tool over two rows, interrupted before the suite *stop*; give the suites that ran."""
    monkeypatch.setenv("COMPAT_MATRIX_CACHE", str(tmp_path))
    rows = {name: make_row(name=name) for name in ("one", "two")}
    monkeypatch.setattr(tool, "load_rows", lambda: rows)
    source = "1"
    monkeypatch.setattr(_results, "source_digest", lambda: source)

    def run_tool(*arguments: str, stop: str = "", changed: str = "1") -> list[str]:
        nonlocal source
        source = changed
        ran: list[str] = []

        def run_suite(row: Row, side: Side, cache: Path, watch: object) -> Result:
            if f"{row.name} {side}" == stop:
                raise KeyboardInterrupt("Ctrl-C")
            ran.append(f"{row.name} {side}")
            result = make_result(a="passed")
            result.key, result.ended = _results.result_key(row, side), time.time()
            return result

        monkeypatch.setattr(_run, "run_suite", run_suite)
        monkeypatch.setattr(_run, "suites", _run.Suites())
        assert tool.main(list(arguments)) == (130 if stop else 0)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        return ran

    return run_tool


ALL = ["one flask", "one loop", "one thread", "two flask", "two loop", "two thread"]


def test_an_interrupted_run_goes_on_where_it_was(
    run: RunTwice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stop="two loop") == ALL[:4]
    assert "the same command goes on" in capsys.readouterr().out
    assert run() == ALL[4:]
    assert "remembered" in capsys.readouterr().out


def test_a_run_that_came_to_its_end_is_not_taken_for_another(run: RunTwice) -> None:
    assert run() == ALL
    assert run() == [name for name in ALL if "flask" not in name]
    assert run("--resume") == []
    assert run("--fresh") == ALL


def test_nothing_is_taken_from_a_run_of_other_source(run: RunTwice) -> None:
    run(stop="two loop")
    assert run(changed="2") == [name for name in ALL if "flask" not in name]
    assert run("--resume", changed="2") == []
    assert run("--resume", changed="3") == [name for name in ALL if "flask" not in name]


def test_an_interruption_of_other_rows_does_not_count(run: RunTwice) -> None:
    run("one", stop="one thread")
    assert run("two") == ALL[3:]
    assert run("one", "two") == ["one loop", "one thread", "two loop", "two thread"]


ENDED_BY_THE_SYSTEM = """
import os, signal, sys, threading
from pathlib import Path
from compat_matrix import __main__ as tool, _run

def run_suite(row, side, cache, watch):
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    _run.suites.run(command, Path(), dict(os.environ), 50, Path("output"))

_run.run_suite = run_suite
code = tool.main(["flask-login", "--fresh"])
assert not _run.suites.processes
raise SystemExit(code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_a_run_that_is_ended_by_the_system_ends_its_suites(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED_BY_THE_SYSTEM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(_committed.PROJECT), "COMPAT_MATRIX_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )
    assert done.returncode == 130, done.stderr
    assert done.stdout.startswith("interrupted; the same command goes on")
