"""The core alone in a process that forks; most of this is in the layer's tests."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from quart import Quart
from quart.utils import run_sync

app = Quart("forks")

@app.get("/")
def plain():
    return "plain"

async def ask():
    client = app.test_client()
    for response in await asyncio.gather(*[client.get("/") for _ in range(3)]):
        assert await response.get_data(as_text=True) == "plain"
    assert await run_sync(lambda: 1)() == 1

def asked():
    asyncio.run(asyncio.wait_for(ask(), 5))
    return True

async def forks():
    assert await asyncio.wait_for(run_sync(ended)(), 10) == 0
    await ask()

def ended():
    pid = os.fork()
    if not pid:
        try:
            os._exit(0 if asked() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

asked()
assert ended() == 0
asked()
asyncio.run(forks())
print("through")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_a_child_of_a_process_that_has_served_plain_views_does_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=False, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("through\n", "")


WATCHED = """
import asyncio, os, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from quart import Quart

app = Quart("forks")
app.config["BLOCKED_LOOP_WARNING"] = 0.1
told = threading.Event()
app.logger.error = lambda *args: told.set()
app.logger.warning = lambda *args: None
scope = {
    "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
    "scheme": "http", "path": "/", "query_string": b"", "headers": [],
}

@app.get("/")
async def holds():
    return "" if told.wait(5) else "nobody has told"

async def ask():
    sent = []
    async def receive():
        return {"type": "http.request"}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    return sent[1]["body"] == b""

assert asyncio.run(ask())
told.clear()
pid = os.fork()
if not pid:
    os._exit(0 if asyncio.run(ask()) else 1)
assert os.waitpid(pid, 0)[1] == 0
print("through")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_the_loop_of_a_child_of_a_process_that_has_served_is_watched() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], capture_output=True, check=False, text=True, timeout=30
    )
    assert (done.stdout, done.stderr) == ("through\n", "")


BACKGROUND = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from quart import Quart

app = Quart("forks")
ends = []

def exits():
    sys.exit(3)

def goes_on():
    pass

async def forks(how):
    pid = os.fork()
    if pid:
        ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    else:
        how()

async def main():
    for how in exits, goes_on:
        app.add_background_task(forks, how)
    await app.shutdown()
    print(ends)

asyncio.run(asyncio.wait_for(main(), 10))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
def test_the_child_of_a_background_task_does_not_go_on_in_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BACKGROUND], capture_output=True, check=False, text=True, timeout=30
    )
    assert done.stdout == "[3, 1]\n", done.stderr
