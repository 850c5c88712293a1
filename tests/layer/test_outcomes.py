"""What users of the layer were promised, each promise as they would notice it."""

from __future__ import annotations

import asyncio
import importlib
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask import Flask, g, request
from flask.views import MethodView

import quart
from quart import Quart
from quart._connection import inbound
from quart_flask_patch import genuine, runs_in, wait

from ._asgi import Exchange, fetch, post_json, run

EVENT_LOOPS = ["asyncio", "uvloop"]


def loop_factory(name: str) -> Callable[[], Any] | None:
    return None if name == "asyncio" else pytest.importorskip(name).new_event_loop


def three_frames_up() -> Any:
    def two_frames_up() -> Any:
        return request.get_json()

    return two_frames_up()


# Any event loop


@pytest.mark.parametrize("loop", EVENT_LOOPS)
def test_plain_code_waits_on_any_event_loop(loop: str, app: Flask, place: str) -> None:
    @app.post("/sync")
    def sync_view() -> Any:
        wait(asyncio.sleep(0.001))
        return {"got": three_frames_up()}

    @app.post("/async")
    async def async_view() -> Any:
        await asyncio.sleep(0.001)
        return {"got": three_frames_up()}

    async def main() -> None:
        answers = await asyncio.gather(*(post_json(app, p, [1]) for p in ("/sync", "/async")))
        assert [a.json for a in answers] == [{"got": [1]}] * 2

    run(main(), loop_factory(loop))


# Requests are independent


def make_waiting_app(app: Flask, awaited: Callable[[int], Any]) -> None:
    """Give *app* a view of each sort that waits in plain code for ``awaited(number)``."""

    def plain(number: int) -> str:
        wait(awaited(number))
        return str(number)

    app.add_url_rule("/sync/<int:number>", "sync", plain)

    @app.get("/loop/<int:number>")
    @runs_in("loop")
    def on_loop(number: int) -> str:
        return plain(number)

    @app.get("/async/<int:number>")
    async def async_view(number: int) -> str:
        return plain(number)


@pytest.mark.parametrize("kind", ["sync", "loop", "async"])
def test_waits_of_different_requests_do_not_add_up(app: Flask, kind: str) -> None:
    app.config["SYNC_THREADS"] = 64
    # Each waits so long that all of them in a row would be noticed.
    make_waiting_app(app, lambda number: asyncio.sleep(0.05))

    async def main() -> float:
        start = time.monotonic()
        answers = await asyncio.gather(*(fetch(app, f"/{kind}/{n}") for n in range(200)))
        assert [a.text for a in answers] == [str(n) for n in range(200)]
        return time.monotonic() - start

    # One after the other they would take ten seconds; 200 in 64 threads wait 4 times 50 ms.
    assert run(main()) < 2.5


@pytest.mark.parametrize("kind", ["sync", "loop", "async"])
def test_waits_end_in_whatever_order_their_events_come(app: Flask, kind: str) -> None:
    """Each request waits for an event of its own, which comes when the one before has answered.

    Where waits could only end last in, first out, this would not end at all.
    """
    app.config["SYNC_THREADS"] = 64
    count = 200 if kind != "sync" else 64
    order = random.Random(1).sample(range(count), count)
    answered = []

    async def main() -> None:
        events = [asyncio.Event() for _ in range(count)]
        make_waiting_app(app, lambda number: events[number].wait())
        tasks = [asyncio.create_task(fetch(app, f"/{kind}/{n}")) for n in range(count)]
        for number in order:
            events[number].set()
            answered.append((await tasks[number]).text)

    run(main())
    assert answered == [str(number) for number in order]


def test_requests_with_shorter_waits_are_answered_first(app: Flask) -> None:
    answered: list[str] = []
    # It is waits of different lengths that are tried.
    make_waiting_app(app, lambda number: asyncio.sleep(number / 10))

    async def ask(number: int) -> None:
        answered.append((await fetch(app, f"/async/{number}")).text)

    async def main() -> None:
        await asyncio.gather(*map(ask, [3, 1, 4, 2]))

    run(main())
    assert answered == ["1", "2", "3", "4"]


# Nothing blocks


def test_a_sync_view_that_blocks_does_not_hold_up_an_async_one(either_app: Flask | Quart) -> None:
    entered, released = threading.Event(), threading.Event()

    @either_app.get("/sync")
    def blocking() -> str:
        entered.set()
        return str(released.wait(20))

    @either_app.get("/async")
    async def other() -> str:
        return "answered meanwhile"

    async def main() -> None:
        async with Exchange(either_app, "/sync") as blocked:
            await blocked.until(entered.is_set)
            assert (await fetch(either_app, "/async")).text == "answered meanwhile"
            assert not blocked.task.done()
            released.set()
            assert (await blocked.end()).text == "True"

    run(main())


@pytest.mark.parametrize("hook", ["before_request", "after_request", "teardown_request"])
def test_hooks_of_a_sync_view_do_not_block_the_loop_either(app: Flask, hook: str) -> None:
    entered, released = threading.Event(), threading.Event()

    @getattr(app, hook)
    def blocks(*args: Any) -> Any:
        if request.path == "/blocked":
            entered.set()
            assert released.wait(20)
        return args[0] if hook == "after_request" else None

    app.add_url_rule("/blocked", "blocked", lambda: "late")

    @app.get("/free")
    async def free() -> str:
        return "in time"

    async def main() -> None:
        async with Exchange(app, "/blocked") as blocked:
            await blocked.until(entered.is_set)
            assert (await fetch(app, "/free")).text == "in time"
            released.set()
            assert (await blocked.end()).text == "late"

    run(main())


# A body is read when someone asks


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a slow machine not taken for a slow handler, whose client has to be watched."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 60)


@pytest.mark.usefixtures("unwatched")
def test_a_body_that_nobody_asks_for_is_not_received(either_app: Flask | Quart) -> None:
    @either_app.before_request
    def look() -> None:
        assert request.content_length == 6
        assert request.headers["X-Some"] == "thing"
        g.seen = request.method

    @either_app.post("/sync")
    def sync_view() -> str:
        return str(g.seen)

    @either_app.post("/async")
    async def async_view() -> str:
        return str(g.seen)

    async def main(path: str) -> None:
        headers = [("Content-Length", "6"), ("X-Some", "thing")]
        async with Exchange(either_app, path, "POST", headers) as exchange:
            await exchange.until(lambda: exchange.text == "POST")
            exchange.body_arrives(b"a body")
            await exchange.end()
        # A small one is asked for once before a thread is entered, from where that costs more.
        assert exchange.asked_before_answer == (path == "/sync")

    run(main("/sync"))
    run(main("/async"))


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_plain_code_reads_a_body_that_is_still_being_sent(
    either_app: Flask | Quart, kind: str
) -> None:
    started = threading.Event()

    def sync_view() -> Any:
        started.set()
        return {"got": three_frames_up()}

    async def async_view() -> Any:
        return sync_view()

    either_app.add_url_rule(
        "/", "view", async_view if kind == "async" else sync_view, methods=["POST"]
    )

    async def main() -> None:
        headers = [("Content-Type", "application/json"), ("Content-Length", "10")]
        async with Exchange(either_app, "/", "POST", headers) as exchange:
            exchange.body_arrives(b'{"a": ', more=True)
            await exchange.until(lambda: exchange.asked == 2)
            assert started.is_set()
            assert exchange.messages == []
            exchange.body_arrives(b"[1]}")
            await exchange.end()
        assert exchange.json == {"got": {"a": [1]}}

    run(main())


def test_pieces_of_a_body_are_had_as_they_come(app: Flask, place: str) -> None:
    pieces: list[bytes] = []

    @app.post("/")
    def view() -> str:
        while piece := request.stream.read(4):
            pieces.append(piece)
        return "ok"

    async def main() -> None:
        async with Exchange(app, "/", "POST", [("Transfer-Encoding", "chunked")]) as exchange:
            for number in range(3):
                exchange.body_arrives(b"ab%d\n" % number, more=True)
                await exchange.until(lambda count=number + 1: len(pieces) == count)
            exchange.body_arrives()
            assert (await exchange.end()).text == "ok"

    run(main())
    assert pieces == [b"ab0\n", b"ab1\n", b"ab2\n"]


# Genuine objects


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_sync_code_is_given_genuine_objects(app: Flask, kind: str) -> None:
    seen: dict[str, Any] = {}

    def look() -> str:
        seen["request"] = request._get_current_object()  # type: ignore[attr-defined]  # a proxy's
        seen["app"] = flask.current_app._get_current_object()  # type: ignore[attr-defined]
        seen["made"] = flask.make_response("made", 201)
        return "ok"

    async def look_async() -> str:
        return look()

    @app.after_request
    def note(response: Any) -> Any:
        seen["response"] = response
        return response

    app.add_url_rule("/", "look", look_async if kind == "async" else look)
    assert run(fetch(app, "/")).text == "ok"
    assert isinstance(seen["request"], genuine.Request)
    assert isinstance(seen["app"], genuine.Flask)
    assert seen["app"] is app
    assert isinstance(seen["made"], genuine.Response)
    assert seen["made"].status_code == 201
    assert isinstance(seen["response"], genuine.Response)
    assert isinstance(seen["response"], flask.Response)
    assert isinstance(seen["request"], flask.Request)


def test_a_dict_may_take_the_place_of_the_headers() -> None:
    app = flask.Flask(__name__)

    @app.get("/")
    def view() -> flask.Response:
        response = flask.Response("ok")
        response.headers = {"X-Only": "here", "Content-Length": "2"}  # type: ignore[assignment]
        return response

    answer = run(fetch(app, "/"))
    assert (answer.text, answer.headers["x-only"]) == ("ok", "here")
    assert app.test_client().get("/").headers["X-Only"] == "here"


def test_under_quart_plain_hooks_are_given_what_flask_would_give() -> None:
    app = Quart(__name__)
    seen: dict[str, Any] = {}

    @app.get("/")
    def view() -> str:
        seen["request"] = request._get_current_object()  # type: ignore[attr-defined]  # a proxy's
        return "ok"

    @app.after_request
    def note(response: Any) -> Any:
        seen["response"] = response
        response.headers["X-Plain"] = "here"
        return response

    @app.after_request
    async def note_async(response: Any) -> Any:
        seen["async"] = response
        return response

    answer = run(fetch(app, "/"))
    assert isinstance(seen["request"], genuine.Request)
    assert isinstance(seen["response"], genuine.Response)
    assert seen["response"].get_data() == b"ok"
    assert isinstance(seen["async"], app.response_class)
    assert answer.text == "ok"
    assert answer.headers["x-plain"] == "here"


MODULES = [
    "app",
    "blueprints",
    "cli",
    "config",
    "ctx",
    "debughelpers",
    "globals",
    "helpers",
    "json",
    "json.provider",
    "json.tag",
    "logging",
    "sansio.app",
    "sansio.blueprints",
    "sansio.scaffold",
    "sessions",
    "signals",
    "templating",
    "testing",
    "typing",
    "views",
    "wrappers",
]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_of_flask_is_there(name: str) -> None:
    module = importlib.import_module(f"flask.{name}")
    place: Any = flask
    for part in name.split("."):
        place = getattr(place, part)
    assert place is module


def test_class_based_views_work(app: Flask, place: str) -> None:
    class Items(MethodView):
        def get(self) -> str:
            return "plain"

        async def post(self) -> str:
            await asyncio.sleep(0)
            return "async"

    app.add_url_rule("/", view_func=Items.as_view("items"))
    assert run(fetch(app, "/")).text == "plain"
    assert run(fetch(app, "/", "POST")).text == "async"


def test_signals_reach_receivers_of_flask(app: Flask, place: str) -> None:
    seen = []

    def receive(sender: Any, **values: Any) -> None:
        seen.append((sender is app, sorted(values)))

    app.add_url_rule("/", "view", lambda: "ok")
    with (
        flask.request_started.connected_to(receive, app),
        flask.request_finished.connected_to(receive, app),
        flask.request_tearing_down.connected_to(receive, app),
    ):
        run(fetch(app, "/"))
    assert seen == [(True, []), (True, ["response"]), (True, ["exc"])]


@pytest.mark.parametrize(
    ("application", "heard"), [(Flask, ["flask"]), (Quart, ["quart", "flask"])]
)
def test_a_flask_application_sends_flasks_signals_and_a_quart_application_both(
    application: Any, heard: list[str]
) -> None:
    seen = []
    app = application(__name__)
    app.add_url_rule("/", "view", lambda: "ok")

    def flasks(sender: Any) -> None:
        seen.append("flask")

    def quarts(sender: Any) -> None:
        seen.append("quart")

    with (
        flask.request_started.connected_to(flasks, app),
        quart.request_started.connected_to(quarts, app),
    ):
        run(fetch(app, "/"))
        assert seen == heard
        with flask.request_started.muted():
            run(fetch(app, "/"))
    assert seen == [*heard, *(name for name in heard if name == "quart")]
