"""The compatibility matrix's own logic: rows, the plugin's report, the comparison, exit codes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compat_matrix import __main__ as tool, _environment, _matrix, _report, _results, _run, _sdist
from compat_matrix._compare import compare, compare_with_counts
from compat_matrix._results import Case, FLASK, IN_A_THREAD, read_events, Result, Side
from compat_matrix._rows import (
    choose_rows,
    Counts,
    Deselected,
    HERE,
    load_rows,
    load_settings,
    parse_row,
    PROJECT,
    Row,
    row_digest,
    RowError,
)
from compat_matrix._run import run_suite
from compat_matrix._uv import EnvironmentProblem

LAYER = Side("layer", "thread")
LOOP = Side("layer", "loop")


def make_row(**values: object) -> Row:
    row = Row("sample", "1.0", "0" * 64, ("tests",), Counts(passed=1))
    return dataclasses.replace(row, **values)  # type: ignore[arg-type]


def result(problem: str = "", **outcomes: str) -> Result:
    return Result({name: Case(name, outcome) for name, outcome in outcomes.items()}, 1.0, problem)


# --- rows ---


def test_every_row_of_the_project_is_well_formed() -> None:
    rows = load_rows()
    assert {"flask", "flask-tutorial", "flask-login", "flask-restx", "quart-trio"} <= set(rows)
    for row in rows.values():
        assert len(row.sdist_sha256) == (0 if row.scenario else 64), row.name
        assert row.framework in ("flask", "quart"), row.name
        assert row.tier in ("fast", "full"), row.name


def test_every_stand_in_belongs_to_a_row() -> None:
    standins = {path.name for path in (HERE / "standins").iterdir() if path.is_dir()}
    assert standins <= {row.standins.name for row in load_rows().values()}


def test_row_with_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(RowError, match=r"x\.toml: unknown \['nmae'\]"):
        parse_row({"nmae": "x"}, "x.toml")


def test_row_that_lacks_a_key_is_refused() -> None:
    with pytest.raises(RowError, match=r"x\.toml: .*version"):
        parse_row({"name": "x", "baseline": {"passed": 1}}, "x.toml")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"test": "t", "kind": "hard", "reason": "it is hard"}, "one of these kinds"),
        ({"test": "t", "kind": "flaky", "reason": " "}, "a reason in words"),
        ({"test": "t", "kind": "thread-bound", "reason": "sqlite"}, "goes with place = 'thread'"),
        ({"test": "t", "kind": "flaky", "reason": "x", "place": "thread"}, "and only with it"),
        ({"test": "t", "kind": "own-thread", "reason": "x"}, "goes with through = 'server'"),
    ],
)
def test_deselected_test_needs_a_good_reason(entry: dict[str, str], message: str) -> None:
    with pytest.raises(RowError, match=message):
        parse_row({"name": "x", "baseline": {"passed": 1}, "deselect": [entry]}, "x.toml")


def test_deselected_only_in_the_place_it_names() -> None:
    entry = Deselected("tests/test_a.py::test_x", "thread-bound", "shares sqlite", "thread")
    row = make_row(deselect=(entry,))
    assert row.deselected("thread") == [entry]
    assert row.deselected("loop") == []


def test_deselected_only_through_what_it_names() -> None:
    entry = Deselected("tests/test_a.py::test_x", "own-thread", "a local", through="server")
    row = make_row(deselect=(entry,))
    assert row.deselected("thread", "server") == row.deselected("loop", "server") == [entry]
    assert row.deselected("thread") == []
    entry = Deselected("tests/test_a.py::test_x", "thread-bound", "shares sqlite", "thread")
    assert entry.matches("tests/test_a.py::test_x[1]")


def test_rows_are_chosen_by_name_or_tier() -> None:
    rows = {"a": make_row(name="a"), "b": make_row(name="b", tier="full")}
    assert choose_rows(rows, ["b", "b"], None) == [rows["b"]]
    assert choose_rows(rows, [], "fast") == [rows["a"]]
    assert choose_rows(rows, [], None) == [rows["a"], rows["b"]]
    with pytest.raises(RowError, match="no row named c; there are: a, b"):
        choose_rows(rows, ["c"], None)


def test_result_on_flask_is_kept_when_only_the_layer_side_of_a_row_changes() -> None:
    row = make_row()
    entry = Deselected("t", "flaky", "fails one time in ten")
    assert row_digest(dataclasses.replace(row, deselect=(entry,), remark="x")) == row_digest(row)
    assert row_digest(dataclasses.replace(row, arguments=("more",))) != row_digest(row)


# --- the plugin's report ---


def phase(test: str, when: str, outcome: str, text: str = "", served: int = 0) -> str:
    values = {"when": when, "outcome": outcome, "text": text, "seconds": 0.5, "served": served}
    return json.dumps({"event": "phase", "id": test, **values})


def event(name: str, **values: object) -> str:
    return json.dumps({"event": name, **values})


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["passed", "passed", "passed"], "passed"),
        (["passed", "failed", "passed"], "failed"),
        (["failed", "passed"], "error"),
        (["passed", "passed", "failed"], "error"),
        (["passed", "xfailed", "passed"], "xfailed"),
        (["skipped", "passed"], "skipped"),
    ],
)
def test_outcome_of_a_test_is_its_worst_phase(outcomes: list[str], expected: str) -> None:
    whens = ["setup", "call", "teardown"] if len(outcomes) == 3 else ["setup", "teardown"]
    lines = [phase("t", when, outcome) for when, outcome in zip(whens, outcomes, strict=True)]
    tests, ended = read_events([event("start", id="t"), *lines, event("finish", id="t", served=0)])
    assert tests["t"].outcome == expected
    assert not ended


def test_killed_run_tells_which_test_it_was_in() -> None:
    lines = [
        event("start", id="a"),
        phase("a", "call", "passed"),
        event("finish", id="a", served=2),
    ]
    tests, ended = read_events([*lines, event("start", id="b"), '{"event": "pha'])
    assert (tests["a"].outcome, tests["a"].served) == ("passed", 2)
    assert tests["b"].outcome == "unfinished"
    assert not ended
    problem = _run.problem_of(make_row(timeout=9), None, ended, tests)
    assert problem == "it hung in b and was ended at its limit of 9 s"


def test_file_that_cannot_be_collected_is_an_error() -> None:
    tests, ended = read_events([event("collect", id="t.py", text="boom"), event("end", exit=2)])
    assert (tests["t.py"].outcome, tests["t.py"].text) == ("error", "boom")
    assert ended


# --- the comparison ---


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "unfinished"])
def test_row_is_red_when_a_test_no_longer_passes(outcome: str) -> None:
    found = compare(make_row(), LOOP, result(a="passed", b="passed"), result(a="passed", b=outcome))
    assert [(item.id, item.how) for item in found.worse] == [("b", outcome)]
    assert not found.green


def test_row_is_red_when_a_test_vanishes() -> None:
    found = compare(make_row(), LOOP, result(a="passed", b="passed"), result(a="passed"))
    assert [(item.id, item.how) for item in found.worse] == [("b", "vanished")]


def test_row_is_red_when_a_file_fails_to_import_only_on_the_layer() -> None:
    found = compare(make_row(), LOOP, result(a="passed"), result(a="passed", file="error"))
    assert [item.id for item in found.worse] == ["file"]


def test_row_is_green_when_only_what_fails_on_flask_fails() -> None:
    flask = result(a="passed", b="failed", c="failed", d="skipped")
    found = compare(make_row(), LOOP, flask, result(a="passed", b="failed", c="passed", d="failed"))
    assert found.green
    assert [item.id for item in found.better] == ["c"]
    assert found.alike == 1


def test_row_whose_tests_are_all_skipped_is_not_red() -> None:
    found = compare(make_row(), LOOP, result(a="skipped"), result(a="skipped"))
    assert found.green
    assert any("every test was skipped" in note for note in found.notes)


def test_row_is_red_when_the_suite_hangs_even_if_all_before_passed() -> None:
    found = compare(make_row(), LOOP, result(a="passed"), result("it hung", a="passed"))
    assert not found.green


def test_deselected_tests_are_left_out_of_the_comparison() -> None:
    row = make_row(deselect=(Deselected("b", "source", "reads flask/app.py"),))
    found = compare(row, LOOP, result(a="passed", b="passed"), result(a="passed"))
    assert found.green
    assert found.left_out == 1


def test_odd_reference_is_noted() -> None:
    row = make_row(baseline=Counts(passed=3), deselect=(Deselected("gone", "flaky", "x"),))
    notes = " ".join(compare(row, LOOP, result(a="passed"), result(a="passed")).notes)
    assert "on Flask only 1 tests pass, 3 are recorded" in notes
    assert "deselect 'gone' matches no test" in notes


@pytest.mark.parametrize(("passed", "green"), [(2, True), (3, False)])
def test_quart_row_is_compared_with_the_recorded_counts(passed: int, green: bool) -> None:
    row = make_row(framework="quart", baseline=Counts(passed=passed))
    found = compare_with_counts(row, LOOP, result(a="passed", b="passed", c="failed"))
    assert found.green is green


# --- running a real suite ---

SUITE = """
import os, sys, time
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_waits(): time.sleep(60)
def test_side(): assert ("quart_flask_patch" in sys.modules) == (os.environ["SIDE"] == "layer")
@pytest.mark.skipif("quart_flask_patch" not in sys.modules, reason="layer only")
def test_layer():
    import subprocess
    from quart.app import Quart
    Quart().asgi_app({"type": "http"}, None, None)
    Quart().asgi_app({"type": "lifespan"}, None, None)
    code = "import sys; print('quart_flask_patch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "True\\n"
    assert os.environ["QUART_SYNC_PLACE"] == "thread"
"""

APP = """
class Quart:
    def asgi_app(self, scope, receive, send): pass
"""


@pytest.fixture
def suite() -> str:
    return SUITE


@pytest.fixture
def sample(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """A row whose suite is *suite*, run by this Python, beside a layer that does nothing."""
    files = {"sample-1.0/tests/test_it.py": suite, "core/quart/__init__.py": ""}
    files |= {"core/quart/app.py": APP, "quart_flask_patch/__init__.py": ""}
    files |= {"core/quart/testing/__init__.py": ""}
    for counting in ("core/quart/testing/_arrivals.py", "core/quart/_types.py"):
        files[counting] = (PROJECT / counting).read_text()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    archive = tmp_path / "sample-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "sample-1.0", "sample-1.0")
    monkeypatch.setattr(_run, "PROJECT", tmp_path)
    monkeypatch.setattr(_sdist, "sdist", lambda row, cache: archive)
    monkeypatch.setattr(_run, "environment", lambda row, cache: tmp_path)
    monkeypatch.setattr(_run, "python_of", lambda folder: Path(sys.executable))
    arguments = ("tests", "-p", "no:cacheprovider")
    return lambda **values: make_row(arguments=arguments, test_timeout=0.5, **values)


@pytest.mark.skipif(sys.platform == "win32", reason="one test's limit needs SIGALRM")
def test_a_suite_runs_on_both_sides(sample: Callable[..., Row], tmp_path: Path) -> None:
    outcomes = {}
    for side in (FLASK, LAYER):
        ran = run_suite(sample(environment={"SIDE": side.on}), side, tmp_path / "cache")
        assert ran.problem == "", ran.output
        outcomes[side.on] = {name.partition("::")[2]: test for name, test in ran.tests.items()}
    flask, layer = outcomes["flask"], outcomes["layer"]
    assert flask["test_passes"].outcome == layer["test_passes"].outcome == "passed"
    assert flask["test_fails"].outcome == "failed"
    assert "assert 1 == 2" in flask["test_fails"].text
    assert flask["test_waits"].outcome == "failed"
    assert "did not end within" in flask["test_waits"].text
    assert flask["test_side"].outcome == layer["test_side"].outcome == "passed"
    assert flask["test_layer"].outcome == "skipped"
    assert (layer["test_layer"].outcome, layer["test_layer"].served) == ("passed", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="ending a process group is POSIX")
def test_a_suite_that_hangs_is_ended_at_its_limit(
    sample: Callable[..., Row], tmp_path: Path
) -> None:
    # Without the plugins of this environment the suite is at its test long before the limit.
    environment = {"SIDE": "flask", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    row = dataclasses.replace(sample(timeout=12.0, environment=environment), test_timeout=60.0)
    ran = run_suite(row, FLASK, tmp_path / "cache")
    assert "it hung in tests/test_it.py::test_waits" in ran.problem
    assert "limit of 12 s" in ran.problem
    assert "in test_waits" in ran.output  # the stack it hung in
    assert ran.tests["tests/test_it.py::test_passes"].outcome == "passed"


CORE_SUITE = """
import sys
import pytest

def test_side():
    from quart.app import Quart
    Quart().asgi_app({"type": "http"}, None, None)
    Quart().asgi_app({"type": "lifespan"}, None, None)
    with pytest.raises(ImportError):
        import quart_flask_patch
"""


def test_a_quart_row_runs_on_the_core_alone_first() -> None:
    options = tool.parser().parse_args([])
    row = make_row(framework="quart")
    assert [str(side) for side in _matrix.sides(row, options)] == ["core", "loop", "thread"]
    options.on = "core"
    assert [str(side) for side in _matrix.sides(row, options)] == ["core"]
    assert _matrix.sides(make_row(), options) == []


@pytest.mark.parametrize("suite", [CORE_SUITE])
def test_the_core_alone_has_no_layer_to_import(
    suite: str, sample: Callable[..., Row], tmp_path: Path
) -> None:
    ran = run_suite(sample(framework="quart"), Side("core"), tmp_path / "cache")
    assert ran.tests["tests/test_it.py::test_side"].outcome == "passed", ran.output
    assert ran.tests["tests/test_it.py::test_side"].served == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit")
@pytest.mark.parametrize("suite", ["def test_runs_away(): bytes(2 * 2**30)"])
def test_a_test_that_runs_away_fails_by_itself(
    suite: str, sample: Callable[..., Row], tmp_path: Path
) -> None:
    ran = run_suite(sample(memory=1.0), FLASK, tmp_path / "cache")
    assert "MemoryError" in ran.tests["tests/test_it.py::test_runs_away"].text
    assert run_suite(sample(), FLASK, tmp_path / "cache").counts() == {"passed": 1}


CALLING = """
import contextvars, threading
import flask
own, seen = contextvars.ContextVar("own", default="none"), []
app = flask.Flask(__name__)

@app.route("/")
def view():
    seen.append(own.get())
    return str(threading.get_ident())

def test_own_thread():
    own.set("the test's")
    assert app.test_client().get("/").text == str(threading.get_ident())

def test_own_context():
    assert seen == ["the test's"]
"""


@pytest.mark.parametrize("suite", [CALLING])
def test_flask_is_called_in_a_thread_to_compare_with_a_server(
    suite: str, sample: Callable[..., Row], tmp_path: Path
) -> None:
    passed = [
        run_suite(sample(), side, tmp_path / "cache").counts()["passed"]
        for side in (FLASK, IN_A_THREAD)
    ]
    assert passed == [2, 0]


def test_deselected_tests_do_not_run_on_the_layer(tmp_path: Path) -> None:
    row = make_row(deselect=(Deselected("tests/a.py::test_x", "flaky", "now and then"),))
    assert "--deselect" not in _run.suite_command(row, FLASK, tmp_path)
    assert _run.suite_command(row, LAYER, tmp_path)[-2:] == ["--deselect", "tests/a.py::test_x"]


def test_users_own_variables_do_not_reach_a_suite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = {"CI", "FLASK_DEBUG", "QUART_APP", "PYTEST_ADDOPTS", "PYTHONWARNINGS"}
    for name in names:
        monkeypatch.setenv(name, "1")
    row = make_row(environment={"PYTHONPATH": ".", "MODE": "x"})
    env = _run.suite_environment(row, FLASK, tmp_path, tmp_path / "report")
    assert names.isdisjoint(env)
    assert env["MODE"] == "x"
    assert env["PYTHONPATH"].endswith("_site:.".replace(":", os.pathsep))
    assert "QUART_SYNC_PLACE" not in env


def test_only_the_named_packages_are_importable_from_a_suite() -> None:
    code = "import compat_matrix, importlib.util as u; print(u.find_spec('quart_flask_patch'))"
    env = {"PYTHONPATH": str(HERE / "_site"), "PYTHONNOUSERSITE": "1"}
    env["COMPAT_MATRIX_PACKAGES"] = json.dumps({"compat_matrix": str(HERE)})
    base = [getattr(sys, "_base_executable", sys.executable), "-c", code]
    assert subprocess.check_output(base, env=env, cwd="/", text=True).strip() == "None"


# --- environments ---


def test_stand_in_never_replaces_a_file_of_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = load_rows()["flask-restful"]
    _sdist.add_standins(row, tmp_path)
    assert (tmp_path / "tests" / "conftest.py").exists()
    with pytest.raises(EnvironmentProblem, match="would replace a file of the suite"):
        _sdist.add_standins(row, tmp_path)


def test_sdist_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = _sdist.Located("1.0", "https://host/sample-1.0.tar.gz", "")
    monkeypatch.setattr(_sdist, "locate_sdist", lambda requirement: located)
    monkeypatch.setattr(_sdist, "download", lambda url, target: target.write_bytes(b"other"))
    with pytest.raises(EnvironmentProblem, match="the row expects 0000"):
        _sdist.sdist(make_row(), tmp_path)
    assert not list((tmp_path / "sdists").iterdir())


def test_environment_is_keyed_by_what_is_installed() -> None:
    settings = load_settings()
    key = _environment.environment_digest(make_row(), settings)
    assert key == _environment.environment_digest(make_row(timeout=1, remark="x"), settings)
    assert key != _environment.environment_digest(make_row(requires=("six",)), settings)
    assert key != _environment.environment_digest(make_row(overrides=("six>1",)), settings)


def test_upstreams_quart_is_never_installed() -> None:
    assert {"quart", "quart-flask-patch"} <= set(load_settings().excludes)
    assert (PROJECT / "pyproject.toml").exists()


# --- the command ---


RunTool = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def run_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunTool:
    """Run the command over one row whose results are given, on the layer one or one after another.

    Returns the exit code and the JSON.
    """
    monkeypatch.setenv("COMPAT_MATRIX_CACHE", str(tmp_path))
    monkeypatch.setattr(tool, "load_rows", lambda: {"sample": make_row()})

    def run(
        flask: Result | Iterator[Result] | EnvironmentProblem,
        layer: Result | Iterator[Result],
        *options: str,
    ) -> tuple[int, dict[str, object]]:
        def run_suite(row: Row, side: Side, cache: Path, watch: object) -> Result:
            given = flask if side.on == "flask" else layer
            if isinstance(given, EnvironmentProblem):
                raise given
            return given if isinstance(given, Result) else next(given)

        monkeypatch.setattr(_run, "run_suite", run_suite)
        code = tool.main(["--why", "sample", "--json", str(tmp_path / "out.json"), *options])
        (data,) = json.loads((tmp_path / "out.json").read_text())
        return code, data

    return run


def test_green_rows_exit_0(run_tool: RunTool, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run_tool(result(a="passed"), result(a="passed"))
    assert code == 0
    assert data["green"] is True
    assert "1 of 1 rows green, 0 red, 0 could not run" in capsys.readouterr().out


def test_red_row_exits_1_and_says_why(
    run_tool: RunTool, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = Result({"a": Case("a", "failed", "Traceback\nE   TypeError: no such thing")})
    code, data = run_tool(result(a="passed"), layer)
    assert code == 1
    assert data["green"] is False
    printed = capsys.readouterr().out
    assert "failed: a  TypeError: no such thing" in printed
    assert "===== sample [loop] a: failed" in printed
    assert "red in loop and thread: python -m compat_matrix --why sample" in printed


def test_check_runs_a_side_that_differs_once_more(
    run_tool: RunTool, capsys: pytest.CaptureFixture[str]
) -> None:
    unsteady = iter([result(a="failed"), result(a="passed")])
    code, _ = run_tool(result(a="passed"), unsteady, "--check", "--place", "loop")
    assert code == 0
    assert "note: run twice; what differed in the first run: a" in capsys.readouterr().out
    failing = iter([result(a="failed"), result(a="failed")])
    code, _ = run_tool(result(a="passed"), failing, "--check", "--place", "loop")
    assert code == 1
    assert "turned: sample [loop] is red" in capsys.readouterr().out


def test_check_runs_flask_once_more_too(
    run_tool: RunTool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A result on Flask is kept for long: a service that was there then may be gone."""
    with_service_and_without = iter(
        [result(a="passed", b="passed"), result(a="passed", b="skipped")]
    )
    without = result(a="passed", b="skipped")
    code, _ = run_tool(with_service_and_without, without, "--check", "--place", "loop")
    assert code == 0
    assert "run twice" in capsys.readouterr().out


def test_row_that_cannot_run_exits_3(run_tool: RunTool, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run_tool(EnvironmentProblem("no index; check the network"), result())
    assert code == 3
    assert data["problem"] == "no index; check the network"
    assert "could not run: sample: no index; check the network" in capsys.readouterr().out


def test_suite_that_hangs_on_flask_is_not_compared(run_tool: RunTool) -> None:
    code, data = run_tool(result("it hung in a", a="unfinished"), result(a="passed"))
    assert code == 3
    assert data["sides"] == {}


def test_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.main(["no-such-row"])
    assert caught.value.code == 2
    assert "no row named no-such-row" in capsys.readouterr().err


def test_list_names_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in load_rows())


def test_results_survive_being_kept(tmp_path: Path) -> None:
    kept = Result({"a": Case("a", "failed", "text", 1.5, 2)}, 3.0, "problem", "output", "command")
    path = tmp_path / "results" / "x.json"
    _results.save_result(kept, path)
    assert _results.load_result(path) == kept
    path.write_text("{}")
    assert _results.load_result(path) is None
    assert _results.load_result(tmp_path / "none.json") is None


def test_long_list_of_differences_is_cut() -> None:
    names = {f"t{number}": "failed" for number in range(9)}
    passed = dict.fromkeys(names, "passed")
    layer = result(**names)
    found = compare(make_row(), LOOP, result(**passed), layer)
    lines = list(_report.comparison_lines(make_row(), LAYER, layer, found))
    assert lines[-1] == f"    and {9 - _report.SHOWN} more"
