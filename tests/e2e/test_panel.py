"""The page of `run --panel` in a real browser: what developers see of their endpoints."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from _serving import environment, served, Server

from ._chromium import browsing, find_chromium, NAMES, Page

PROGRAM = """
import time
import quart_flask_patch
from flask import Flask

app = Flask("a_name_that_is_long_" * 5)

@app.get("/plain")
def plain():
    time.sleep(0.01)
    return "x"

@app.get("/held", endpoint="an_endpoint_with_a_long_name_" * 4)
async def held():
    time.sleep(0.2)
    return "x"

@app.get("/fails")
def fails():
    raise ValueError("as it is meant to")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("panel")
    (folder / "program.py").write_text(PROGRAM, "utf-8")
    command = ["quart_flask_patch", "--app", "program", "run", "--port", "{port}", "--panel"]
    with served(command, folder, environment(), folder / "log") as server:
        for path in ("plain", "plain", "held", "fails", "no-such-url"):
            httpx.get(f"{server.url}/{path}", timeout=30, trust_env=False, verify=False)
        yield server


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is on the PATH")
    with browsing(executable, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("width", [1200, 375])
def test_the_panel_fits_and_complains_of_nothing(server: Server, page: Page, width: int) -> None:
    page.resize(width)
    page.open(f"{server.url}/_endpoints")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    # What does not fit is reached by scrolling within.
    assert page.run("document.querySelector('.wide').scrollWidth > 0")
    rows = "[...document.querySelectorAll('tr')].slice(1).map((row) => row.cells[2].textContent)"
    assert sorted(int(text) for text in page.run(rows)) == [1, 1, 1, 2]
    bad = "[...document.querySelectorAll('.bad')].map((cell) => cell.textContent.trim())"
    held, failed = sorted(page.run(bad), key=float, reverse=True)
    assert (float(held) >= 200, failed) == (True, "1")
    assert "GET /favicon.ico" not in server.output()
    assert page.complaints == []
