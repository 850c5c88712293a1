"""``migrate compare``: it sees each difference that is planted, and none between equals."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from quart_flask_patch.migrate.command import migrate
from quart_flask_patch.migrate.compare.comparing import Asking, running
from quart_flask_patch.migrate.compare.recorded import CompareError
from quart_flask_patch.migrate.compare.rules import Rules
from quart_flask_patch.migrate.compare.sides import Plan, Side

DATA = Path(__file__).parent.parent / "data" / "comparing"

#: By request, the part of the answer that differs. `requests.txt` sends these and others.
PLANTED = {
    "GET /bought": "body",
    "GET /status": "status",
    "GET /header": "header x-frame-options",
    "GET /header-missing": "header x-frame-options",
    "GET /type": "header content-type",
    "GET /allowed": "header allow",
    "GET /redirect": "header location",
    "GET /tagged": "header etag",
    "GET /route": "status",
    "GET /cookie/same-site": "cookie theme, samesite",
    "GET /cookie/http-only": "cookie theme, httponly",
    "GET /cookie/expires": "cookie theme, expires",
    "GET /cookie/missing": "cookie theme",
    "GET /session": "cookie session: session.basket",
    "GET /text": "body",
    "GET /end": "body",
    "GET /encoding": "body",
    "GET /bytes": "body",
    "GET /gzip": "body",
    "GET /streamed": "body",
    "GET /json/value": "body: $.a[0].price",
    "GET /json/type": "body: $.a",
    "GET /json/key": "body: $.b",
    "GET /json/order": "body: keys in another order",
    "GET /json/date": "body: $.born",
    "POST /unguarded": "status",
}


def run(*arguments: str, cwd: Path = DATA) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quart_flask_patch", "migrate", "compare", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=110
    )


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    assert found, done.stderr
    return found


def program(folder: Path, text: str) -> None:
    (folder / "program.py").write_text(textwrap.dedent(text), "utf-8")


# --- two applications, on Flask and on the layer -------------------------------------------------


def test_each_planted_difference_is_reported_and_no_other() -> None:
    options = ["--against", "shop:create_app", "--requests", "requests.txt", "--json"]
    done = run("--app", "shop:create_other", *options)
    found = report_of(done)
    assert done.returncode == 1, done.stderr
    differing = {
        f"{request['method']} {request['path']}": [each["part"] for each in request["differences"]]
        for request in found["requests"]
        if request["differences"]
    }
    assert len(PLANTED) >= 20
    assert {name: parts[0] for name, parts in differing.items()} == PLANTED
    assert found["counts"]["differing"] == len(PLANTED)


def test_equal_applications_are_equal() -> None:
    sides = ["--servers", "hypercorn,uvicorn", "--places", "thread,loop", "--reference", "werkzeug"]
    done = run("--app", "shop:create_app", "--requests", "requests.txt", "--json", *sides)
    found = report_of(done)
    assert [each for each in found["requests"] if each["differences"]] == []
    assert found["problems"] == []
    assert done.returncode == 0
    # They are random, and different on each side: they were compared, not passed by.
    assert {"dates", "ids", "nonces", "tokens"} <= found["left_out"].keys()


# --- another state of the code as the reference --------------------------------------------------

STATE = """
    import quart_flask_patch
    import sys
    from flask import Flask

    app = Flask(__name__)

    @app.get("/state")
    def state():
        return {{"state": "{0}", "python": sys.executable, "layer": hasattr(app, "websocket")}}
"""


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """Two releases in folders of their own, and a Python by another name; return the newer one."""
    for name in "before", "after":
        (tmp_path / name).mkdir()
        program(tmp_path / name, STATE.format(name))
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    if (settings := Path(sys.prefix) / "pyvenv.cfg").exists():
        # An environment is found by the path of its Python, not by what that leads to.
        shutil.copy(settings, environment)
        (environment / "lib").symlink_to(Path(sys.prefix) / "lib")
    return tmp_path / "after"


def differing(states: Path, *options: str) -> tuple[list[str], list[dict[str, str]]]:
    found = report_of(run("--app", "program", *options, "--json", cwd=states))
    assert found["problems"] == []
    return [each["side"] for each in found["figures"]], found["requests"][0]["differences"]


def test_the_reference_may_be_in_another_folder(states: Path) -> None:
    options = ["--against-folder", "../before", "--reference", "hypercorn"]
    sides, differences = differing(states, *options)
    assert sides == ["reference, layer hypercorn thread", "layer hypercorn thread"]
    values = {each["part"]: (each["reference"], each["other"]) for each in differences}
    assert values == {"body: $.state": ("before", "after")}


def test_the_reference_may_have_another_python(states: Path) -> None:
    """Its path is one from here, though the side runs in a folder of its own."""
    python = "../environment/bin/python"
    sides, differences = differing(states, "--against-python", python, "--reference", "werkzeug")
    assert sides == ["flask werkzeug", "layer hypercorn thread"]
    values = {each["part"]: each["reference"] for each in differences}
    assert values["body: $.python"] == str(states.parent / "environment" / "bin" / "python")
    assert values["body: $.layer"] == "false"


# --- one application, with data of its own for each ----------------------------------------------

COUNTING = """
    import os
    import quart_flask_patch
    from pathlib import Path
    from flask import Flask, request

    app = Flask(__name__)
    data = Path(os.environ["COMPARE_FOLDER"])

    @app.get("/face")
    def face():
        return {"has websockets": hasattr(app, "websocket")}

    @app.get("/count")
    def count():
        for file in (Path("count.txt"), Path(app.root_path, "count.txt"), data / "set-up.txt"):
            with file.open("a") as opened:
                opened.write("once ")
        return (data / "set-up.txt").read_text() + Path("count.txt").read_text()

    @app.get("/where")
    def where():
        return f"{data} {Path.cwd()} 127.0.0.1:{request.environ['SERVER_PORT']}"

    @app.get("/with/<value>")
    def with_value(value):
        return value
"""


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("counting")
    program(folder, COUNTING)
    page = folder / "page.html"
    setup = 'echo "set up for $WHO" > $COMPARE_FOLDER/set-up.txt'
    options = ["--setup", setup, "--env", "WHO=all", "--html", str(page), "--json"]
    return folder, report_of(run("--app", "program", *options, cwd=folder))


def test_one_side_is_genuine_flask(counted: tuple[Path, dict[str, Any]]) -> None:
    """Though the application imports the layer."""
    (face,) = (each for each in counted[1]["requests"] if each["path"] == "/face")
    values = [(each["reference"], each["other"]) for each in face["differences"]]
    assert values == [("false", "true")]


def test_each_side_has_data_of_its_own(counted: tuple[Path, dict[str, Any]]) -> None:
    folder, found = counted
    differing = [each["path"] for each in found["requests"] if each["differences"]]
    assert differing == ["/face"]
    assert not (folder / "count.txt").exists()


def test_without_a_file_it_asks_for_all_routes_without_values(
    counted: tuple[Path, dict[str, Any]],
) -> None:
    assert [each["path"] for each in counted[1]["requests"]] == ["/face", "/count", "/where"]


def test_both_are_measured(counted: tuple[Path, dict[str, Any]]) -> None:
    for figures in counted[1]["figures"]:
        assert figures["requests"] == 3
        assert figures["server"] in ("gunicorn", "waitress", "werkzeug", "hypercorn")
        assert sys.platform != "linux" or figures["memory_bytes"] > 1_000_000


def test_the_page_says_the_same(counted: tuple[Path, dict[str, Any]]) -> None:
    text = (counted[0] / "page.html").read_text("utf-8")
    assert "3 requests: 2 equal, 1 differ" in text
    assert "/with/" not in text
    assert "$.has websockets" in text


# --- nothing to compare --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named"),
        ("import os; os._exit(7)", "its process ended"),
        ("raise SystemExit('not today')", "SystemExit: not today"),
        ("app = print", "NoAppException"),
    ],
)
def test_an_application_that_does_not_start_says_why(tmp_path: Path, text: str, said: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    program(source, text)
    side = Side(Plan("program", "werkzeug", source=source), tmp_path / "side", frozenset())
    asking = Asking(None, "nothing", Rules())
    with pytest.raises(CompareError) as raised, running([side], asking):
        raise AssertionError("it is served")
    assert raised.value.exit_code == 2
    assert "program cannot be served on flask werkzeug" in raised.value.message
    assert said in raised.value.message
    assert side.has_ended


def invoked(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(migrate, ["compare", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Expected an application"),
        (("--app", "x", "--servers", "apache"), "hypercorn, uvicorn, granian, daphne; got apache"),
        (("--app", "x", "--places", ""), "thread, loop; got none"),
        (("--app", "x", "--env", "NAME"), "NAME=VALUE"),
        (("--app", "x", "--against-python", "no/python"), "to be a Python: its path"),
        (("--app", "x", "--rule", "date"), "expected a rule"),
        (("--app", "x", "--rule", "text a = ("), "expected a regular expression"),
        (("--app", "x", "--setup", "echo why; exit 3"), "ended with status 3: echo why"),
    ],
)
def test_what_is_given_wrongly_is_said(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = invoked(*arguments)
    assert (status, said in output) == (2, True), output


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quart_flask_patch.migrate.command.find_spec", lambda name: None)
    status, output = invoked("--app", "x")
    assert status == 2
    assert "quart-flask-patch[migrate]" in output
