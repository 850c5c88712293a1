"""Flask's client where an event loop, or greenlets, are at work already: each tool in its process.

Each has an environment of its own: their mere presence changes other tests.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from _serving import environment, environment_with

APP = """
import asyncio

import quart_flask_patch
from flask import Flask, request, session

app = Flask(__name__)
app.secret_key = "secret"
app.testing = True


@app.get("/plain")
def plain():
    session["path"] = request.path
    return session["path"]


@app.get("/async")
async def async_view():
    await asyncio.sleep(0.001)
    return request.path


@app.get("/run")
def run():
    return asyncio.run(async_view())


@app.get("/stream")
async def stream():
    async def pieces():
        for number in range(3):
            await asyncio.sleep(0.001)
            yield str(number)

    return pieces()


ANSWERS = {"/plain": "/plain", "/async": "/async", "/stream": "012"}


def check():
    client = app.test_client()
    for _ in range(20):
        for path, text in ANSWERS.items():
            assert client.get(path).text == text
    with client:
        client.get("/plain")
        assert session["path"] == request.path == "/plain"
    return "all is well"
"""
ASYNC_SUITE = """
import asyncio

import pytest

from served import app, check

pytestmark = pytest.mark.{mark}


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_client():
    assert check() == "all is well"
    with pytest.raises(RuntimeError, match="running event loop"):
        app.test_client().get("/run")  # As on Flask: a loop runs in this thread.


async def test_many_at_once():
    said = await asyncio.gather(*(asyncio.to_thread(check) for _ in range(5)))
    assert said == ["all is well"] * 5
"""
NOTEBOOK = """
from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel()
said = []
try:
    cells = ["import asyncio", "await asyncio.sleep(0)", "from served import check", "check()"]
    for cell in cells * 2:
        reply = client.execute_interactive(
            cell, timeout=60, output_hook=lambda message: said.append(message["content"])
        )
        assert reply["content"]["status"] == "ok", (cell, reply["content"], said)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
results = [content["data"]["text/plain"] for content in said if "data" in content]
assert results == ["'all is well'"] * 2, said
"""
GREENLETS = """
from gevent import monkey

monkey.patch_all()

import gevent

from served import check

jobs = [gevent.spawn(check) for _ in range(20)]
gevent.joinall(jobs, timeout=60, raise_error=True)
assert [job.value for job in jobs] == ["all is well"] * 20
"""
LOAD_TESTER = """
from gevent import monkey

monkey.patch_all()

import json
import socket
import urllib.request

import gevent
from gevent.pywsgi import WSGIServer

from served import app

from locust import constant, HttpUser, task
from locust.env import Environment

server = WSGIServer(("127.0.0.1", 0), app, log=None)
server.start()


class Person(HttpUser):
    host = f"http://127.0.0.1:{server.server_port}"
    wait_time = constant(0.01)

    @task
    def ask(self):
        self.client.get("/async")


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
environment = Environment(user_classes=[Person])
runner = environment.create_local_runner()
# A Flask application, and so on the layer.
environment.create_web_ui("127.0.0.1", port)
runner.start(5, spawn_rate=5)
with gevent.Timeout(60):
    stats = [{"num_requests": 0}]
    while stats[-1]["num_requests"] < 50:
        gevent.sleep(0.1)
        try:
            answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/stats/requests")
        except ConnectionRefusedError:
            continue
        stats = json.load(answer)["stats"]
assert stats[-1]["num_failures"] == 0, stats
runner.quit()
"""
RUNS = {
    "pytest-asyncio": (["pytest-asyncio"], ASYNC_SUITE.format(mark="asyncio"), "pytest"),
    "anyio": (["anyio"], ASYNC_SUITE.format(mark="anyio"), "pytest"),
    "notebook": (["ipykernel", "jupyter_client"], NOTEBOOK, ""),
    "gevent": (["gevent"], GREENLETS, ""),
    "locust": (["locust"], LOAD_TESTER, ""),
}


@pytest.mark.parametrize("tool", RUNS)
def test_it_works_as_flask_does(tool: str, tmp_path: Path) -> None:
    packages, script, runner = RUNS[tool]
    python = environment_with(tmp_path, *packages)
    (tmp_path / "served.py").write_text(APP, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(script, encoding="utf-8")
    way = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if runner else []
    done = subprocess.run(
        [python, *way, "test_it.py"],
        cwd=tmp_path,
        # What they warn of is theirs.
        env={**environment(), "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
