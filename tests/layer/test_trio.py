"""The bridge beneath Trio: it knows nothing of the loop whose futures it hands up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import copy_current_request_context, Flask, request

from quart_flask_patch import bridged, wait

from ._asgi import scope_for

trio = pytest.importorskip("trio")
pytest.importorskip("trio.testing")


async def fetch(app: Any, path: str, body: bytes = b"") -> tuple[int, bytes]:
    sent = []
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        await trio.lowlevel.checkpoint()
        if received > 1:
            await trio.sleep_forever()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    await app(scope_for("http", path, "POST", headers), receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent)


def test_bridged_plain_code_waits() -> None:
    def plain(value: int) -> int:
        wait(trio.sleep(0.001))
        return value + 1

    assert trio.run(bridged(plain), 1) == 2


def test_waits_of_different_tasks_are_independent() -> None:
    ended = []

    def plain(number: int, event: Any) -> None:
        wait(event.wait())
        ended.append(number)

    async def main() -> None:
        events = [trio.Event() for _ in range(5)]
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for number, event in enumerate(events):
                    nursery.start_soon(bridged(plain), number, event)
                for number in (2, 0, 4, 1, 3):
                    await trio.testing.wait_all_tasks_blocked()
                    events[number].set()

    trio.run(main)
    assert ended == [2, 0, 4, 1, 3]


def test_a_cancelled_scope_reaches_plain_code() -> None:
    cleaned = []

    def plain() -> None:
        try:
            wait(trio.sleep_forever())
        finally:
            cleaned.append(True)

    async def main() -> bool:
        with trio.move_on_after(0.01) as scope:
            await bridged(plain)()
        return bool(scope.cancelled_caught)

    assert trio.run(main)
    assert cleaned == [True]


def test_a_task_that_nothing_bridges_is_told() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="nothing bridges"):
            wait(trio.sleep_forever())

    trio.run(main)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_whole_request(app: Flask, place: str, kind: str) -> None:
    def view() -> Any:
        wait(trio.sleep(0.001))
        return {"got": request.get_json()}

    async def async_view() -> Any:
        await trio.sleep(0.001)
        return view()

    app.add_url_rule("/", "view", async_view if kind == "async" else view, methods=["POST"])

    async def main() -> tuple[int, bytes]:
        with trio.fail_after(20):
            return await fetch(app, "/", b'"hello"')

    assert trio.run(main) == (200, b'{"got":"hello"}\n')


def test_a_body_is_read_in_a_thread_that_is_none_of_the_requests() -> None:
    app = Flask(__name__)

    @app.post("/")
    def view() -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(copy_current_request_context(request.get_json)).result(5)

    assert trio.run(fetch, app, "/", b'{"a": 1}') == (200, b'{"a":1}\n')
