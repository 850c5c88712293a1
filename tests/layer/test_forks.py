"""A process that forks: its child works, and ends alone.

Each scene is a program of its own. In this process there are threads of pytest's and of other
tests, of which a child would have half.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from _serving import environment, environment_with

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")

#: What all scenes begin with. Python itself warns of forks where there are threads.
START = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
import asyncio, json, multiprocessing, os, sys, threading, time
import quart_flask_patch
from flask import Flask, request
from quart.utils import run_sync
from quart_flask_patch import threads, wait

app = Flask("forks")

@app.get("/async")
async def awaited():
    await asyncio.sleep(0.001)
    return "async"

@app.get("/executor")
async def executor():
    return await asyncio.to_thread(lambda: "executor")

@app.get("/plain")
def plain():
    return "plain"

@app.get("/waits")
def waits():
    wait(asyncio.sleep(0.001))
    return "waits"

@app.get("/run-sync")
async def shared():
    return await run_sync(lambda: "run-sync")()

PATHS = ["/async", "/executor", "/plain", "/waits", "/run-sync"]
ANSWERS = [path[1:] for path in PATHS]

def by_client():
    client = app.test_client()
    assert [client.get(path).text for path in PATHS] == ANSWERS

async def fetch(path):
    sent, asker = [], os.getpid()
    async def receive():
        if not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(60)
    async def send(message):
        if os.getpid() != asker:
            print("the child has answered", flush=True)
        sent.append(message)
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path,
             "raw_path": b"", "query_string": b"", "headers": [], "scheme": "http",
             "server": ("a", 80), "client": ("b", 1), "asgi": {"version": "3.0"}}
    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent).decode()

async def all_at_once():
    assert await asyncio.gather(*map(fetch, PATHS)) == ANSWERS
    assert await run_sync(lambda: 1)() == 1

def as_a_server():
    asyncio.run(asyncio.wait_for(all_at_once(), 5))

def fork(child):
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)
    return ended(pid)

def fork_hard(child):
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(1)
    return ended(pid)

def ended(pid):
    for _ in range(500):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    return "the child hangs"

def process(child):
    made = multiprocessing.get_context("fork").Process(target=child)
    made.start()
    made.join(5)
    made.kill()
    return made.exitcode

def nothing():
    pass

def loop_of_its_own():
    asyncio.run(asyncio.sleep(0.001))
"""
FORKS = ["fork", "fork_hard", "process"]
CHILDREN = "(nothing, loop_of_its_own, by_client, as_a_server)"


def play(scene: str, place: str) -> str:
    """Run *scene*, which fails by an error or by not coming to its end; return what it logged."""
    environment = {**os.environ, "QUART_SYNC_PLACE": place}
    program = f"{START}\n{scene}\nprint('through', flush=True)\nos._exit(0)\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
        timeout=60,
    )
    assert done.stdout == "through\n", done.stderr
    return done.stderr


@pytest.fixture(params=["thread", "loop"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("fork", FORKS)
def test_both_go_on_after_a_fork(fork: str, place: str) -> None:
    log = play(
        f"""
by_client()
as_a_server()
for child in {CHILDREN}:
    assert {fork}(child) == 0, child
    by_client()
    as_a_server()
""",
        place,
    )
    assert not log


@pytest.mark.parametrize("head", ["def", "async def"])
def test_a_view_may_fork(head: str, place: str) -> None:
    log = play(
        f"""
def forks_in_view(fork, child):
    def body():
        assert request.path == "/fork"
        child()
    return fork(body)

@app.get("/fork")
{head} forks():
    return {{
        f"{{fork.__name__}} {{child.__name__}}": forks_in_view(fork, child)
        for fork in (fork_hard, process)
        for child in {CHILDREN}
    }}

async def main():
    answers = json.loads(await fetch("/fork"))
    assert set(answers.values()) == {{0}}, answers
    await all_at_once()

asyncio.run(asyncio.wait_for(main(), 40))
answers = app.test_client().get("/fork").json
assert set(answers.values()) == {{0}}, answers
by_client()
""",
        place,
    )
    assert not log


@pytest.mark.parametrize("head", ["def", "async def"])
def test_a_views_child_that_exits_ends_alone(head: str, place: str) -> None:
    """What Python logs of a loop that ends in the middle of a task is its own business."""
    play(
        f"""
@app.get("/fork")
{head} forks():
    return str(fork(nothing))

async def main():
    assert await fetch("/fork") == "0"
    await all_at_once()

asyncio.run(asyncio.wait_for(main(), 10))
""",
        place,
    )


@pytest.mark.parametrize("head", ["def", "async def"])
def test_only_the_parent_answers_however_its_views_child_ends(head: str, place: str) -> None:
    log = play(
        f"""
def sys_exit():
    sys.exit(3)

def error():
    raise LookupError("on purpose")

def interrupt():
    raise KeyboardInterrupt

def goes_on():
    return "the child's answer"

def first_asks():
    by_client()
    sys.exit(4)

ENDS = {{sys_exit: 3, error: 1, interrupt: 1, goes_on: 1, first_asks: 4}}

def forks(how):
    pid = os.fork()
    return ended(pid) if pid else how()

@app.get("/<how>")
{head} view(how):
    return str(forks(globals()[how]))

@app.get("/<how>/stream")
{head} streams(how):
    def pieces():
        yield "status "
        yield str(forks(globals()[how]))
    return pieces()

async def main():
    for how, status in ENDS.items():
        for path, text in [("", f"{{status}}"), ("/stream", f"status {{status}}")]:
            assert await fetch(f"/{{how.__name__}}{{path}}") == text, (how, path)
    await all_at_once()

asyncio.run(asyncio.wait_for(main(), 40))
""",
        place,
    )
    assert log.count("got one that has gone on to the end of its view") == 3


def test_a_child_has_no_threads_until_it_needs_some() -> None:
    play(
        """
as_a_server()
assert threads(app).started

def child():
    assert (threads(app).started, threads(app).busy, threads(app).queued) == (0, 0, 0)
    as_a_server()
    assert threads(app).started

assert fork_hard(child) == 0
""",
        "thread",
    )


def test_a_child_of_a_busy_process_answers() -> None:
    """Each thread of the parent is in the middle of something, and its pool has a queue."""
    play(
        """
app.config["SYNC_THREADS"] = 2
done = threading.Event()

@app.get("/block")
def block():
    done.wait(10)
    return "block"

async def main():
    requests = [asyncio.create_task(fetch("/block")) for _ in range(4)]
    while threads(app).queued < 2:
        await asyncio.sleep(0.001)
    assert await asyncio.to_thread(fork_hard, as_a_server) == 0
    done.set()
    assert await asyncio.gather(*requests) == ["block"] * 4
    await all_at_once()

asyncio.run(asyncio.wait_for(main(), 10))
""",
        "thread",
    )


def test_a_child_does_not_wait_for_tasks_of_its_parent() -> None:
    play(
        """
async def child_serves():
    await app.startup()
    await app.shutdown()

@app.get("/task")
async def adds():
    app.add_background_task(asyncio.sleep, 60)
    return ""

app.test_client().get("/task")
assert fork_hard(lambda: asyncio.run(asyncio.wait_for(child_serves(), 3))) == 0
""",
        "thread",
    )


def test_a_thread_of_ones_own_may_fork(place: str) -> None:
    """It has a loop of its own, as has the thread that is not in the child."""
    play(
        """
by_client()
results = []

def forks():
    by_client()
    results.append(fork_hard(by_client))
    by_client()

thread = threading.Thread(target=forks)
thread.start()
thread.join()
assert results == [0], results
by_client()
""",
        place,
    )


#: A suite with the live server of pytest-flask, which is a child by `multiprocessing`.
LIVE_SUITE = """
import asyncio, json, os, urllib.request
import flask
import pytest
from quart_flask_patch import wait

@pytest.fixture(scope="session")
def app():
    app = flask.Flask("live")

    @app.get("/<colour>/plain")
    def plain(colour):
        wait(asyncio.sleep(0.001))
        return [colour, os.getpid()]

    @app.get("/<colour>/async")
    async def asynchronous(colour):
        await asyncio.to_thread(asyncio.run, asyncio.sleep(0.001))
        return [colour, os.getpid()]

    return app

PATHS = "/red/plain", "/red/async"

def ask(client):
    assert [client.get(path).json for path in PATHS] == [["red", os.getpid()]] * 2

def test_before(client):
    ask(client)

def test_live(client, live_server):
    found = []
    for path in PATHS * 3:
        ask(client)
        with urllib.request.urlopen(live_server.url(path), timeout=10) as answer:
            found.append(json.load(answer))
    (_, child), *others = found
    assert child != os.getpid()
    assert found == [["red", child]] * 6

def test_urls(live_server):
    made = flask.url_for("plain", colour="red", _external=True)
    assert made.endswith(live_server.url("/red/plain").rpartition(":")[2])

def test_after_it_was_stopped(client, live_server):
    live_server.stop()
    ask(client)
"""


def test_the_live_server_of_pytest_flask(tmp_path: Path) -> None:
    python = environment_with(tmp_path, "pytest-flask")
    suite = tmp_path / "test_live.py"
    suite.write_text(LIVE_SUITE, encoding="utf-8")
    command = [python, "-m", "pytest", "-p", "quart_flask_patch.pytest_plugin", "-q", str(suite)]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env=environment() | {"PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr
