"""``migrate check``: each thing that is planted in an application is found, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compat_matrix import _committed
from compat_matrix._rows import load_rows
from quart_flask_patch.migrate.command import migrate, NEEDED
from quart_flask_patch.migrate.environment import check_environment, installed, Package
from quart_flask_patch.migrate.extensions import (
    check_extensions,
    Extension,
    installed_extensions,
    required_extensions,
)
from quart_flask_patch.migrate.findings import Finding, Report, View
from quart_flask_patch.migrate.show import lines
from quart_flask_patch.migrate.source import check_source

DATA = Path(__file__).parent.parent / "data" / "migrating"
SHOP = DATA / "shop"
NOTES = Path(__file__).parent.parent.parent / "docs" / "examples" / "notes"


# --- the source ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked() -> tuple[list[Finding], list[View]]:
    return check_source(SHOP)


def planted(mark: str) -> list[str]:
    return sorted(
        f"{file.name}:{number}"
        for file in SHOP.glob("*.py")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if f"# {mark}: " in line
    )


def places(findings: list[Finding], code: str) -> list[str]:
    return sorted(Path(found.place).name for found in findings if found.code == code)


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("blocks", "blocking-call"),
        ("held", "held-across-await"),
        ("missing", "missing-await"),
        ("superfluous", "await-of-flask"),
        ("rule", "ruff"),
    ],
)
def test_each_planted_line_is_found_and_no_other(
    checked: tuple[list[Finding], list[View]], mark: str, code: str
) -> None:
    assert planted(mark)
    assert places(checked[0], code) == planted(mark)


def test_a_finding_names_the_way_from_the_view(checked: tuple[list[Finding], list[View]]) -> None:
    (found,) = (each for each in checked[0] if "self.session.get" in each.what)
    assert "self.session.get(...) waits for HTTP on the event loop" in found.what
    assert "in deep -> price" in found.what
    assert "httpx.AsyncClient" in found.way_out
    assert found.level == "error"


def test_a_thread_local_that_an_async_view_uses_is_an_error(
    checked: tuple[list[Finding], list[View]],
) -> None:
    (found,) = (each for each in checked[0] if each.code == "thread-local")
    assert (found.level, Path(found.place).name) == ("error", "models.py:8")


def test_each_view_has_a_line(checked: tuple[list[Finding], list[View]]) -> None:
    ready = {
        view.name.removeprefix("shop.views.").removeprefix("shop."): view.readiness
        for view in checked[1]
    }
    assert ready == {
        **dict.fromkeys(["direct", "deep", "database", "held", "forgotten"], "blocks"),
        **dict.fromkeys(["form", "local", "timeout", "good", "apart"], "async"),
        **dict.fromkeys(["Mixed.get", "feed"], "async"),
        **dict.fromkeys(["listed", "Mixed.post"], "ready"),
        **dict.fromkeys(["plain", "panel.Panel.index"], "replace"),
        "kept": "leave",
    }


def test_what_cannot_be_parsed_is_said(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("print 'no'\n", "utf-8")
    (found,) = check_source(tmp_path)[0]
    assert (found.code, Path(found.place).name) == ("unread", "old.py:1")


def test_a_good_application_has_no_errors() -> None:
    """The demo asks its database on the loop in one view, and knows it."""
    findings, views = check_source(NOTES)
    assert {found.code for found in findings if found.level == "error"} == set()
    assert places(findings, "held-across-await") == ["views.py:69"]
    assert len(views) == 23


def test_with_loops_of_their_own_nothing_is_held_up() -> None:
    findings, views = check_source(NOTES, own_loop=True)
    assert codes(findings).isdisjoint({"blocking-call", "held-across-await"})
    assert {view.readiness for view in views if view.is_async} == {"async"}


def test_a_coroutine_that_is_used_as_one_is_no_mistake(tmp_path: Path) -> None:
    program = """
    async def load(): ...

    class Loading:
        def __await__(self):
            return load().__await__()

    async def later(run):
        made = load()
        load().close()
        return await made, run(load())
    """
    (tmp_path / "used.py").write_text(textwrap.dedent(program), "utf-8")
    assert check_source(tmp_path)[0] == []


TUTORIAL = """
import sqlite3
from flask import current_app, Flask, g


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def create_app():
    app = Flask(__name__)

    @app.before_request
    def load_user():
        get_db().execute("SELECT 2").fetchone()

    @app.route("/hello")
    def hello():
        return "Hello"

    @app.route("/")
    def index():
        return get_db().execute("SELECT 1").fetchall()

    return app
"""


def test_a_connection_in_g_is_followed(tmp_path: Path) -> None:
    (tmp_path / "flaskr.py").write_text(TUTORIAL, "utf-8")
    findings, found = check_source(tmp_path)
    views = {view.name: view for view in found}
    assert views["flaskr.create_app.hello"].readiness == "ready"
    index = views["flaskr.create_app.index"]
    assert index.readiness == "replace"
    assert any("get_db(...).execute(...).fetchall" in text for text in index.waits_for)
    assert codes(findings) == {"hook-would-block"}


# --- the application -----------------------------------------------------------------------------


def run(*arguments: str, cwd: Path = DATA) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quart_flask_patch", "migrate", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def reported() -> Mapping[str, Any]:
    done = run("check", "--app", "shop:create_app", "--json")
    assert done.returncode == 1, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("code", "level", "place", "text"),
    [
        ("early", "error", "shop:create_app", "the class shop.EarlyShop"),
        ("wsgi-middleware", "warning", "profiler.py", "ProfilerMiddleware around wsgi_app"),
        ("overridden", "note", "__init__.py", "preprocess_request is replaced in Shop"),
        ("mixed-class-view", "warning", "views.py", "async methods (get) beside plain ones (post)"),
        ("plain-hook", "note", "views.py", "who_asks is a plain hook of async views"),
        ("async-command", "error", "commands.py", "'clean' is async def"),
        ("command-hidden", "note", "command migrate", "hidden"),
        ("unguarded-websockets", "error", "views.py", "shop.feed"),
        ("small-pool", "warning", "database default", "3 connections at most, for 40"),
    ],
)
def test_each_planted_thing_is_found(
    reported: Mapping[str, Any], code: str, level: str, place: str, text: str
) -> None:
    found = [each for each in reported["findings"] if each["code"] == code]
    assert [each["level"] for each in found] == [level], reported
    assert place in found[0]["place"]
    assert text in found[0]["what"]
    assert found[0]["way_out"]


def test_the_worst_comes_first(reported: Mapping[str, Any]) -> None:
    levels = [each["level"] for each in reported["findings"]]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert reported["counts"] == {level: levels.count(level) for level in reported["counts"]}


def test_an_application_that_cannot_be_imported_says_where(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n", "utf-8")
    done = run("check", "--app", "broken", cwd=tmp_path)
    assert done.returncode == 1
    assert "error: broken.py:1: ModuleNotFoundError: No module named" in done.stdout


# --- the environment -----------------------------------------------------------------------------

GOOD = {
    "flask": Package("Flask", "3.1.3"),
    "hypercorn": Package("Hypercorn", "0.18.0"),
    "quart": Package("quart", "0.23.1+flaskpatch.1"),
}


@pytest.mark.parametrize(
    ("packages", "level", "code", "text"),
    [
        ({"quart": Package("quart", "0.22.0")}, "error", "pypi-quart", "quart 0.22.0"),
        ({"gevent": Package("gevent", "25.1")}, "note", "greenlets", "gevent"),
        ({"ddtrace": Package("ddtrace", "3.0")}, "note", "agent", "ddtrace"),
        ({"gunicorn": Package("gunicorn", "23.0")}, "note", "wsgi-servers", "gunicorn 23.0"),
        (
            {"old": Package("old", "1.0", ("Flask<3", 'Werkzeug<1; extra == "x"'))},
            "warning",
            "version-conflict",
            "requires Flask<3, and flask 3.1.3 is installed",
        ),
    ],
)
def test_what_is_in_the_way_is_found(
    packages: dict[str, Package], level: str, code: str, text: str
) -> None:
    before = check_environment(GOOD)
    (found,) = (f for f in check_environment({**GOOD, **packages}) if f.code not in codes(before))
    assert (found.level, found.code) == (level, code)
    assert text in found.what
    assert found.way_out


def codes(findings: list[Finding]) -> set[str]:
    return {found.code for found in findings}


def test_no_asgi_server_is_an_error() -> None:
    packages = {name: package for name, package in GOOD.items() if name != "hypercorn"}
    assert "no-server" in codes(check_environment(packages))
    assert codes(check_environment(GOOD)) == {"versions"}


# --- extensions ----------------------------------------------------------------------------------


def test_the_carried_results_are_the_committed_ones() -> None:
    """`python -m compat_matrix NAME --update` writes both."""
    rows = load_rows()
    records = [
        record for name, record in sorted(_committed.load_committed().items()) if name in rows
    ]
    assert _committed.CARRIED.read_text("utf-8") == _committed.carried(records, rows)


def row_of(name: str, **values: object) -> dict[str, list[dict[str, object]]]:
    row: dict[str, object] = {
        "name": name,
        "project": name,
        "version": "1.0",
        "scenario": False,
        "green": True,
        "alike": 7,
        "left_out": 0,
        "worse": [],
        "remark": "",
        "date": "",
    }
    return {name: [row | values]}


@pytest.mark.parametrize(
    ("version", "values", "level", "code", "text"),
    [
        ("1.0", {}, "note", "extension-green", "7 of its own tests pass as on Flask"),
        ("2.0", {}, "note", "extension-other-version", "with version 1.0"),
        ("1.0", {"green": False, "worse": ["t::a"]}, "error", "extension-red", "t::a"),
        ("1.0", {"scenario": True}, "note", "extension-green", "an application that uses it"),
    ],
)
def test_an_extension_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    values: dict[str, object],
    level: str,
    code: str,
    text: str,
) -> None:
    known = row_of("flask-thing", **values)
    monkeypatch.setattr("quart_flask_patch.migrate.extensions.matrix", lambda: known)
    (found,) = check_extensions([Extension("Flask_Thing", version, "installed")])
    assert (found.level, found.code) == (level, code)
    assert text in found.what


def test_an_unknown_extension_says_how_to_find_out() -> None:
    (found,) = check_extensions([Extension("flask-nobody-knows", "1", "installed")])
    assert (found.level, found.code) == ("warning", "extension-unknown")
    assert "quart_flask_patch.pytest_plugin" in found.way_out


def test_installed_extensions_are_those_that_require_flask() -> None:
    packages = {
        "flask": Package("Flask", "3.1.3"),
        "other": Package("other", "1.0", ('flask>=2; extra == "web"',)),
        "thing": Package("thing", "1.0", ("Flask>=2",)),
        "flask-login": Package("Flask-Login", "0.6.3"),
    }
    assert [each.name for each in installed_extensions(packages)] == ["Flask-Login", "thing"]


@pytest.mark.parametrize("told", ["", '{"url": "file://HERE", "dir_info": {"editable": true}}'])
def test_the_application_itself_is_no_extension(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    here, environment = tmp_path / "here", tmp_path / "environment"
    metadata = (environment if told else here) / "shop-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\nRequires-Dist: flask\n", "utf-8"
    )
    if told:
        (metadata / "direct_url.json").write_text(told.replace("HERE", str(here)), "utf-8")
        here.mkdir()
    monkeypatch.syspath_prepend(str(metadata.parent))
    for folder, is_one in (here, False), (tmp_path, True):
        monkeypatch.chdir(folder)
        found = [each.name for each in installed_extensions(installed())]
        assert ("shop" in found) == is_one


def test_a_requirements_file_is_read_with_what_it_includes(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("Flask-Login==0.6.3 --hash=sha256:0\nrequests\n", "utf-8")
    text = "-r base.txt\nflask\n# flask-x\nflask_unheard[a]>=1 ; python_version > '3' # why\n"
    file = tmp_path / "requirements.txt"
    file.write_text(text + "./folder\n", "utf-8")
    found = [(each.name, each.version) for each in required_extensions(file, {})]
    assert found == [("Flask-Login", "0.6.3"), ("flask_unheard", None)]


# --- the command ---------------------------------------------------------------------------------


def test_plain_lines_have_place_and_way_out() -> None:
    report = Report()
    report.add([Finding("note", "source", "b", "b.py:2", "is good")])
    report.add([Finding("error", "source", "a", "a.py:1", "is bad", "mend it")])
    assert lines(report) == [
        "error: a.py:1: is bad [a]. Way out: mend it.",
        "note: b.py:2: is good [b].",
        "1 error, 0 warnings, 1 note; 0 views",
    ]


@pytest.mark.parametrize(
    ("level", "on", "fails"),
    [
        ("error", "error", True),
        ("warning", "error", False),
        ("warning", "warning", True),
        ("note", "warning", False),
        ("error", "never", False),
    ],
)
def test_the_exit_status_goes_by_the_worst(level: Any, on: str, fails: bool) -> None:
    assert Report([Finding(level, "source", "a", "a.py:1", "x")]).fails(on) is fails


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.setattr("quart_flask_patch.migrate.command.find_spec", lambda name: None)
    result = CliRunner().invoke(migrate, ["check"])
    assert result.exit_code == 1
    assert all(name in result.output for name in NEEDED)
    assert re.search(r"pip install '?quart-flask-patch\[migrate\]", result.output)


def test_nothing_of_it_is_imported_with_the_layer() -> None:
    program = (
        "import sys, quart_flask_patch\n"
        "print([n for n in sys.modules if n.startswith('quart_flask_patch.migrate')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n"
