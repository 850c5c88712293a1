"""What stands for the layer where `migrate beside` and `migrate compare` run genuine Flask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import quart_flask_patch
from _serving import environment
from quart_flask_patch.migrate import beside_child, without_layer
from quart_flask_patch.migrate.compare import serve

HEAD = """
import runpy, sys
runpy.run_path(sys.argv[1])["stand_in"]()
"""
WAYS = """
import asyncio
import quart.flask_patch
import quart_flask_patch
from flask import Flask
from quart_flask_patch import (
    awaited, bridged, endpoints, Flask as Named, measure, request, runs_in, threads, wait
)
from quart_flask_patch.contrib.sqlalchemy import WaitingPool
from quart_flask_patch.migrate.beside import beside
from sqlalchemy.pool import QueuePool

app = Flask(__name__)
assert type(app).__module__ == "flask.app"
assert Named is Flask and WaitingPool is QueuePool
assert measure(app) is None
assert beside(app, "old:app", share="5%") is app

async def five():
    await asyncio.sleep(0)
    return 5

async def within():
    return wait(five()), await bridged(lambda x: x + 1)(6)

@app.get("/")
@runs_in("own-loop")
def index():
    return str(wait(five()))

@app.get("/awaited")
@runs_in("own-loop")
@awaited
async def view():
    return str(await five())

assert app.test_client().get("/awaited").text == view() == "5"

assert app.test_client().get("/").text == "5"
assert asyncio.run(within()) == (5, 7)
assert sys.modules["quart.flask_patch"] is quart_flask_patch
assert not [name for name in sys.modules if name.startswith("quart_flask_patch._")]
"""


def run(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = str(Path(without_layer.__file__))
    return subprocess.run(
        [sys.executable, *options, "-c", HEAD + program, path],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_application_that_imports_the_layer_is_flasks_own() -> None:
    done = run(WAYS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("from quart_flask_patch import endpoints; endpoints(1)", "runs genuine Flask"),
        ("import quart_flask_patch; quart_flask_patch.nothing", "got quart_flask_patch.nothing"),
        ("from quart_flask_patch import nothing", "cannot import name 'nothing'"),
    ],
)
def test_what_flask_has_not_is_said(program: str, said: str) -> None:
    done = run(program)
    assert done.returncode == 1
    assert said in done.stderr


def test_it_needs_neither_the_project_nor_what_the_project_needs() -> None:
    program = "import quart.flask_patch\nimport quart_flask_patch\nquart_flask_patch.runs_in('x')"
    done = run(program, "-I", "-S")
    assert done.returncode == 0, done.stderr


def test_each_name_of_the_layers_own_has_a_way() -> None:
    own = {*quart_flask_patch._WHEN_ASKED_FOR, "runs_in", "awaited", "bridged", "wait"}  # type: ignore[attr-defined]  # not for type checkers
    assert own | {"beside", "WaitingPool"} == set(without_layer._WAYS)


@pytest.mark.parametrize("script", [beside_child, serve])
def test_both_scripts_run_the_one_file(script: object) -> None:
    assert "without_layer.py" in Path(script.__file__).read_text("utf-8")  # type: ignore[attr-defined]  # a module
