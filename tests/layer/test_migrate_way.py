"""The way of a code base, as the page *Migrating* has it, gone by the demo with the commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from _serving import environment, served, Server

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs Unix sockets")
DEMO = Path(__file__).parent.parent.parent / "docs" / "examples" / "notes"
SUITE = """
import notes
import pytest

@pytest.fixture
def client():
    return notes.create_app({"TESTING": True}).test_client()

@pytest.mark.parametrize("path", ["/tour/", "/auth/login", "/tour/plain"])
def test_pages(client, path):
    assert client.get(path).status_code == 200
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The release that is served, and the one that moves; one database, one key."""
    top = tmp_path_factory.mktemp("way")
    for name in "old", "new":
        shutil.copytree(DEMO, top / name / "notes", ignore=shutil.ignore_patterns("__pycache__"))
        (top / name / "test_notes.py").write_text(SUITE, "utf-8")
    return top / "old", top / "new"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=variables(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def variables(folder: Path) -> dict[str, str]:
    database = str(folder.parent / "notes.sqlite")
    found = environment(NOTES_DATABASE=database, SECRET_KEY="one for both")
    return {name: text for name, text in found.items() if not name.startswith("PYTEST_")}


def migrate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "quart_flask_patch", "--app", "notes", "migrate", *arguments)


def suite(folder: Path, *options: str) -> str:
    plugins = "-p", "quart_flask_patch.pytest_plugin", "-p", "no:cacheprovider"
    return run(folder, "pytest", *plugins, "-q", *options).stdout


@pytest.mark.timeout(600)
def test_the_way_of_the_demo(releases: tuple[Path, Path]) -> None:
    old, new = releases
    # Will it work?
    done = migrate(new, "check", "--json", "notes")
    assert done.returncode == 0, done.stdout
    assert len(json.loads(done.stdout)["views"]) == 23
    # What blocks already is accepted.
    baseline = "--blocking-baseline=blocking.txt"
    assert "3 passed" in suite(new, baseline, "--blocking-baseline-write")
    # Views become async.
    migrate(new, "rewrite", "notes", "--views", "tour.*", "--write")
    before, after = ((each / "notes" / "tour.py").read_text("utf-8") for each in releases)
    assert after.count("async def") > before.count("async def")
    # They work, and block nobody.
    output = suite(new, baseline)
    assert "3 passed" in output, output
    # It behaves as before.
    (new / "requests.txt").write_text(
        "GET /auth/login\nGET /no/such\nGET /auth/register\n", "utf-8"
    )
    done = migrate(new, "compare", "--requests", "requests.txt", "--against-folder", str(old))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 equal, 0 differ" in done.stdout


@pytest.fixture(scope="module")
def server(releases: tuple[Path, Path]) -> Iterator[Server]:
    old, new = releases
    program = ["quart_flask_patch", "--app", "notes", "migrate", "beside", "notes"]
    options = ["--old-folder", str(old), "--port", "{port}", "--rule", "auth.*=new"]
    with served([*program, *options], new, variables(new), new / "log") as server:
        yield server


def test_the_demo_is_served_beside_its_earlier_release(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False, verify=False) as client:
        form = {"name": "walker", "password": "long enough", "confirm": "long enough"}
        for path in "/auth/register", "/auth/login":
            page = client.get(path).text
            token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page)[0]
            client.post(path, data={**form, "csrf_token": token})
        pages: dict[str, Any] = {
            side: client.get("/", headers={"X-Beside": side}) for side in ("old", "new")
        }
    assert {side: page.status_code for side, page in pages.items()} == {"old": 200, "new": 200}
    assert all("walker" in page.text for page in pages.values())
