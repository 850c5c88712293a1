"""A process serves, forks, and goes on serving; each child serves, and ends alone.

``python -m soak.forks COUNT`` is that process, which reports in JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ._served import environment_of
from ._state import Grown, growth, State, state_of_this_process

TESTS = Path(__file__).parents[1]
WARM_UP = 10
PATHS = ["/text/1", "/wait", "/async", "/stream", "/kept", "/template?name=a", "/handled"]


def run(place: str, count: int) -> tuple[Counter[str], State, State]:
    """Let a process fork *count* times; return what was done, and its state before and after."""
    env = environment_of(place) | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", "soak.forks", str(count)],
        cwd=TESTS,
        env=env,
        capture_output=True,
        text=True,
        timeout=60 + count,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    # The application has a last word of its own at exit.
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    before, after = State(**told["before"]), State(**told["after"])
    # The state is not asked for by a request here.
    after.counts["begun"] += 1
    if grown := growth(before, after, count):
        raise Grown("; ".join(grown))
    return Counter(told["done"]), before, after


async def fetch(app: Any, path: str) -> bytes:
    path, _, query = path.partition("?")
    sent: list[dict[str, Any]] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    assert sent[0]["status"] in (200, 418), sent
    return b"".join(message.get("body", b"") for message in sent)


async def all_at_once(app: Any) -> list[bytes]:
    return await asyncio.wait_for(asyncio.gather(*(fetch(app, path) for path in PATHS * 2)), 20)


def forked(child: Any) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            child()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def serve_and_fork(app: Any, counts: dict[str, int], count: int) -> dict[str, Any]:
    expected = await all_at_once(app)
    loop, executor = asyncio.get_running_loop(), ThreadPoolExecutor(1)

    def child() -> None:
        asyncio.set_event_loop(None)
        assert asyncio.run(all_at_once(app)) == expected

    async def once() -> None:
        # Fork while requests are under way, and from a thread, as a Flask view would.
        under_way = asyncio.ensure_future(all_at_once(app))
        await asyncio.sleep(0)
        assert await loop.run_in_executor(executor, forked, child) == 0
        assert await under_way == expected

    async def state() -> dict[str, Any]:
        return {**state_of_this_process(), "counts": dict(counts)}

    for _ in range(WARM_UP):
        await once()
    before = await state()
    for _ in range(count):
        await once()
    return {"before": before, "after": await state(), "done": {"children": count}}


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    from soak._mixed import app, counts

    told = asyncio.run(serve_and_fork(app, counts, int(sys.argv[1])))
    sys.stdout.write(f"{json.dumps(told)}\n")
