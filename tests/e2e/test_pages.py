"""The documentation in a real browser: no page is too wide, and the search finds the right one."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from ._chromium import browsing, find_chromium, NAMES, Page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*sorted(path.stem for path in DOCS.glob("*.md")), "matrix-details", "search", "genindex"]
WIDTHS = (1200, 375)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the built pages."""
    if find_chromium() is None:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is on the PATH")
    for module in ("sphinx", "furo", "sphinx_copybutton"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}")
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(DOCS), str(folder)]
    published = {
        "DOCS_ADDRESS": "https://docs.example.org/{version}/",
        "DOCS_VERSIONS": "old=../1/",
    }
    subprocess.run(command, env=os.environ | published, check=True)
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def page(site: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    executable = find_chromium()
    assert executable is not None
    with browsing(executable, tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.timeout(400)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_too_wide_or_complains(site: str, page: Page, width: int) -> None:
    page.resize(width)
    too_wide = {}
    for name in PAGES:
        page.open(f"{site}/{name}.html")
        if (over := page.run("document.documentElement.scrollWidth - innerWidth")) > 0:
            too_wide[name] = over
    assert too_wide == {}
    assert page.complaints == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("SYNC_THREADS", "configuration"),
        ("celery", "background"),
        ("sqlalchemy", "databases"),
        ("websocket", "websockets"),
        ("docker", "production"),
    ],
)
def test_the_search_finds_the_page(site: str, page: Page, words: str, expected: str) -> None:
    page.open(f"{site}/search.html?q={words}")
    first = page.wait_for("document.querySelector('#search-results li a')?.getAttribute('href')")
    page.wait_for(
        "document.querySelector('#search-results .search-summary')?.textContent.includes('found')"
    )
    first = page.run("document.querySelector('#search-results li a').getAttribute('href')")
    assert first.partition(".html")[0] == expected


def test_code_can_be_copied_and_pages_lead_on(site: str, page: Page) -> None:
    page.open(f"{site}/quickstart.html")
    assert page.run("document.querySelectorAll('button.copybtn').length") > 5
    assert page.run("document.querySelector('.next-page').getAttribute('href')") == "tutorial.html"
    assert page.run("document.querySelector('.theme-toggle') !== null")


def test_a_page_names_its_own_address_and_other_versions(site: str, page: Page) -> None:
    page.open(f"{site}/place.html")
    own = page.run("document.querySelector('link[rel=canonical]').href")
    assert own == f"https://docs.example.org/{version('quart-flask-patch')}/place.html"
    assert page.run("document.querySelector('nav.versions a').getAttribute('href')") == "../1/"


@pytest.mark.parametrize(
    ("name", "project", "end"),
    [
        ("quart.Request", "flask", "api.html#flask.Request"),
        ("quart.routing.QuartRule", "werkzeug", "routing.html#werkzeug.routing.Rule"),
    ],
)
def test_the_api_leads_to_what_is_inherited(
    site: str, page: Page, name: str, project: str, end: str
) -> None:
    page.open(f"{site}/api.html")
    entry = f"document.getElementById('{name}').parentElement"
    links = page.run(f"[...{entry}.querySelectorAll('a.external')].map((link) => link.href)")
    assert f"https://{project}.palletsprojects.com/en/stable/{end}" in links


def test_names_in_the_text_lead_to_their_description(site: str, page: Page) -> None:
    page.open(f"{site}/async_tests.html")
    links = page.run(
        "[...document.querySelectorAll('article a > code')].map((c) => c.parentElement.href)"
    )
    assert any(link.endswith("/api.html#quart.testing.QuartClient") for link in links)


def test_the_matrix_answers_a_requirements_file(site: str, page: Page) -> None:
    page.open(f"{site}/matrix-details.html?q=flask-login")
    assert page.run("document.querySelector('#query').value") == "flask-login"
    page.open(f"{site}/matrix-details.html")
    lines = "# ours\\nFlask_Login>=0.6  # why\\nrequests\\n-r other.txt\\nFlask-SQLAlchemy[x]==3\\n"
    page.run(
        f"document.querySelector('#requirements').value = '{lines}';"
        "document.querySelector('#requirements').dispatchEvent(new Event('input', {bubbles: true}))"
    )
    rows = page.run("[...document.querySelectorAll('.row:not([hidden])')].map((row) => row.id)")
    assert set(rows) == {"flask-login", "flask-sqlalchemy"}
    unknown = page.run("document.querySelector('#unknown').textContent")
    assert unknown.startswith("Without a row: requests. ")
    assert page.run("document.querySelector('a[href=\"matrix.html\"]') !== null")
