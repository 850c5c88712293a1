"""The application of Flask's tutorial, as its sdist ships it, through the layer's runner."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from compat_matrix._rows import load_rows, Row
from compat_matrix._sdist import sdist, unpack
from compat_matrix._uv import cache_dir, EnvironmentProblem, locked

from ._server import environment, run_module, runner, served, Server


def fetch(row: Row) -> Path:
    """The sdist, checked against its hash; without a network and a copy, there is no test."""
    with locked(cache_dir() / "sdists" / row.name):
        try:
            return sdist(row, cache_dir())
        except EnvironmentProblem as problem:
            if "sha256" in str(problem):
                raise
            pytest.skip(f"the sdist of {row.requirement} cannot be fetched here: {problem}")


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    row = load_rows()["flask-tutorial"]
    return unpack(fetch(row), tmp_path_factory.mktemp("flask")) / row.directory


@pytest.fixture(params=["thread", "loop"])
def server(request: pytest.FixtureRequest, tutorial: Path, tmp_path: Path) -> Iterator[Server]:
    env = environment(request.param)
    assert "Initialized" in run_module(runner("flaskr", "init-db"), tutorial, env)
    command = runner("flaskr", "run", "--port", "{port}")
    with served(command, tutorial, env, tmp_path / "log") as server:
        yield server
    assert "Traceback" not in server.output(), server.output()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.url, follow_redirects=True, trust_env=False, verify=False
    ) as client:
        yield client


def titles(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'<article class="post">.*?<h1>(.*?)</h1>', page.text, re.DOTALL)


def flashed(page: httpx.Response) -> list[str]:
    return re.findall(r'<div class="flash">(.*?)</div>', page.text)


def test_a_visit(client: httpx.Client) -> None:
    ada = {"username": "ada", "password": "lovelace"}
    assert client.get("/hello").text == "Hello, World!"
    assert client.get("/create").url.path == "/auth/login"
    assert client.post("/auth/register", data=ada).url.path == "/auth/login"
    assert flashed(client.post("/auth/register", data=ada)) == ["User ada is already registered."]
    wrong = client.post("/auth/login", data={**ada, "password": "byron"})
    assert flashed(wrong) == ["Incorrect password."]
    assert "Log Out" in client.post("/auth/login", data=ada).text

    assert titles(client.post("/create", data={"title": "Draft", "body": "Zuse"})) == ["Draft"]
    assert flashed(client.post("/create", data={"title": "", "body": ""})) == ["Title is required."]
    page = client.post("/1/update", data={"title": "Essay", "body": "Über Maschinen"})
    assert titles(page) == ["Essay"]
    assert "Über Maschinen" in page.text
    assert client.get("/2/update").status_code == 404
    assert client.get("/static/style.css").headers["Content-Type"].startswith("text/css")

    assert titles(client.post("/1/delete")) == []
    assert "Log In" in client.get("/auth/logout").text
    assert client.post("/1/delete").url.path == "/auth/login"
