"""The pytest plugin with which maintainers of extensions run their suites on the layer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

SUITE = """
import threading
import flask

app = flask.Flask(__name__)
where = []

@app.get("/")
def index():
    where.append(threading.current_thread())
    return type(app).__module__

def test_request():
    assert app.test_client().get("/").text.startswith("quart_flask_patch")
    assert app.test_client().get("/missing").status_code == 404

def test_context():
    with app.test_request_context("/?a=1"):
        assert flask.request.args["a"] == "1"

def test_place(pytestconfig):
    app.test_client().get("/")
    here = where[-1] is threading.current_thread()
    by_client = pytestconfig.getoption("--through") == "client"
    assert here == (by_client and pytestconfig.getoption("--sync-place") != "thread")
"""


def run_suite(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "quart_flask_patch.pytest_plugin"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.parametrize("place", ["loop", "thread", None])
def test_a_suite_runs_on_the_layer(place: str | None, tmp_path: Path) -> None:
    options = [f"--sync-place={place}"] if place else []
    done = run_suite(tmp_path, *options)
    assert "3 passed" in done.stdout, done.stdout
    assert "2 of 3 tests sent a request to an application" in done.stdout
    assert (f"plain views: {place}" in done.stdout) is (place is not None)


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_requests_may_go_through_a_server(place: str, tmp_path: Path) -> None:
    done = run_suite(tmp_path, "--through=server", f"--sync-place={place}")
    assert "3 passed" in done.stdout, done.stdout
    assert "2 of 3 tests sent a request to an application" in done.stdout


def test_requests_are_counted_in_junits_xml_and_across_processes(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "-n", "2", "--junit-xml=report.xml")
    assert "2 of 3 tests sent a request to an application" in done.stdout
    counts = {
        case.get("name"): [found.get("value") for found in case.iter("property")]
        for case in ElementTree.parse(tmp_path / "report.xml").iter("testcase")
    }
    assert counts == {"test_request": ["2"], "test_context": [], "test_place": ["1"]}
