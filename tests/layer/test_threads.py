"""The report of `threads` on an application's worker threads."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any

import pytest
from flask import current_app, Flask

from quart import Quart
from quart_flask_patch import Threads, threads

from ._asgi import fetch, run, until


def test_an_idle_pool(either_app: Flask | Quart) -> None:
    either_app.config["SYNC_THREADS"] = 7
    assert threads(either_app) == Threads(7, 0, 0, 0, 0.0)


def test_a_full_pool(either_app: Flask | Quart) -> None:
    either_app.config["SYNC_THREADS"] = 2
    released = threading.Event()

    @either_app.get("/")
    def view() -> str:
        assert released.wait(10)
        return ""

    async def main() -> None:
        tasks = [asyncio.create_task(fetch(either_app, "/")) for _ in range(5)]
        await until(lambda: threads(either_app).queued == 3)
        full = threads(either_app)
        assert (full.size, full.started, full.busy, full.queued) == (2, 2, 2, 3)
        # A request counts while it waits, so that a pool that is stuck shows.
        await until(lambda: threads(either_app).longest_wait > full.longest_wait)
        released.set()
        await asyncio.gather(*tasks)
        after = threads(either_app)
        assert (after.size, after.busy, after.queued) == (2, 0, 0)
        assert after.longest_wait > full.longest_wait
        assert threads(either_app).longest_wait == after.longest_wait

    run(main())


def test_a_view_may_ask(either_app: Flask | Quart) -> None:
    @either_app.get("/plain")
    def plain() -> dict[str, Any]:
        return dataclasses.asdict(threads(current_app))  # type: ignore[arg-type]

    @either_app.get("/async")
    async def on_the_loop() -> dict[str, Any]:
        return dataclasses.asdict(threads(current_app))  # type: ignore[arg-type]

    async def main() -> None:
        in_thread = await fetch(either_app, "/plain")
        assert (in_thread.json["busy"], in_thread.json["size"]) == (1, 40)
        assert (await fetch(either_app, "/async")).json["busy"] == 0

    run(main())


def test_the_state_cannot_be_changed(app: Flask) -> None:
    state: Any = threads(app)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.size = 100
