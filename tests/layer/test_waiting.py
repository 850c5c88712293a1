"""How sync code waits: the four cases of `wait`, cancellation, and context variables."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from flask import Flask, request
from greenlet import getcurrent, greenlet

from quart import websocket
from quart.utils import run_sync
from quart_flask_patch import bridged, wait

from ._asgi import Exchange, fetch, Handshake, post_json, run, until

KINDS = ["sync", "async", "loop"]


@pytest.fixture(params=KINDS)
def serve(request: pytest.FixtureRequest, app: Flask) -> Callable[[Callable[[], Any]], None]:
    """Put a plain function at ``/``: as a view in either place, or beneath an async view."""

    def serve_plain(plain: Callable[[], Any]) -> None:
        async def async_view() -> Any:
            return plain()

        app.config["SYNC_PLACE"] = "loop" if request.param == "loop" else "thread"
        view: Any = async_view if request.param == "async" else plain
        app.add_url_rule("/", "view", view, methods=["GET", "POST"])

    return serve_plain


Serve = Callable[[Callable[[], Any]], None]


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


async def immediate() -> str:
    return "at once"


async def failing() -> None:
    await asyncio.sleep(0)
    raise LookupError("from async code")


# The four cases


def test_without_a_loop_one_is_run() -> None:
    assert wait(double(2)) == 4
    assert wait(immediate()) == "at once"


def test_without_a_loop_it_is_the_same_loop_each_time() -> None:
    async def loop_running() -> Any:
        return asyncio.get_running_loop()

    first = wait(loop_running())
    assert wait(loop_running()) is first
    assert not first.is_closed()


def test_each_thread_has_a_loop_of_its_own() -> None:
    async def loop_running() -> Any:
        return asyncio.get_running_loop()

    loops: list[Any] = []
    thread = threading.Thread(target=lambda: loops.append(wait(loop_running())))
    thread.start()
    thread.join()
    assert loops[0] is not wait(loop_running())
    gc.collect()
    assert loops[0].is_closed()


def test_without_a_loop_variables_are_shared() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")

    async def read_and_set() -> str:
        seen = variable.get()
        variable.set("from the coroutine")
        return seen

    variable.set("from the script")
    assert wait(read_and_set()) == "from the script"
    assert variable.get() == "from the coroutine"


@pytest.mark.parametrize("kind", ["coroutine", "future", "task", "object"])
def test_any_awaitable_can_be_waited_for(app: Flask, serve: Serve, kind: str) -> None:
    class Awaited:
        def __await__(self) -> Any:
            return double(21).__await__()

    loops: list[asyncio.AbstractEventLoop] = []

    def awaitable() -> Awaitable[int]:
        if kind == "future":
            future = loops[0].create_future()
            loops[0].call_soon_threadsafe(future.set_result, 42)
            return future
        if kind == "task":
            return loops[0].create_task(double(21))
        return double(21) if kind == "coroutine" else Awaited()

    serve(lambda: str(wait(awaitable())))

    async def main() -> str:
        loops.append(asyncio.get_running_loop())
        return (await fetch(app, "/")).text

    assert run(main()) == "42"


def test_what_does_not_suspend_is_had_at_once(app: Flask, serve: Serve) -> None:
    serve(lambda: wait(immediate()))
    assert run(fetch(app, "/")).text == "at once"


def test_an_error_comes_out_where_it_was_waited_for(app: Flask, serve: Serve) -> None:
    def view() -> str:
        with pytest.raises(LookupError, match="from async code"):
            wait(failing())
        return "caught"

    serve(view)
    assert run(fetch(app, "/")).text == "caught"


def test_async_code_runs_on_the_servers_loop_in_the_requests_task(app: Flask, serve: Serve) -> None:
    seen: list[Any] = []

    async def look() -> None:
        await asyncio.sleep(0)
        seen.append((asyncio.get_running_loop(), asyncio.current_task()))

    def view() -> str:
        wait(look())
        return "ok"

    serve(view)

    async def main() -> tuple[Any, Any]:
        async with Exchange(app, "/") as exchange:
            await exchange.end()
        return asyncio.get_running_loop(), exchange.task

    assert run(main()) == seen[0]


def test_waits_may_be_nested(app: Flask, serve: Serve) -> None:
    """Plain code waits for async code that calls plain code that waits, and so on."""

    async def down(depth: int) -> int:
        await asyncio.sleep(0)
        return await bridged(plain)(depth - 1) if depth else 0

    def plain(depth: int) -> int:
        return 1 + wait(down(depth))

    serve(lambda: str(plain(5)))
    assert run(fetch(app, "/")).text == "6"


def test_awaited_code_may_call_plain_code_that_waits(app: Flask, serve: Serve) -> None:
    async def middle() -> int:
        await asyncio.sleep(0)
        return plain_below()

    def plain_below() -> int:
        return wait(double(4))

    serve(lambda: str(wait(middle())))
    assert run(fetch(app, "/")).text == "8"


def test_an_async_hook_of_a_sync_view_may_call_plain_code_that_waits(
    app: Flask, place: str
) -> None:
    def plain() -> Any:
        return request.get_json()

    seen = []

    @app.before_request
    async def hook() -> None:
        await asyncio.sleep(0)
        seen.append(plain())

    app.add_url_rule("/", "view", lambda: {"got": request.get_json()}, methods=["POST"])
    assert run(post_json(app, "/", "value")).json == {"got": "value"}
    assert seen == ["value"]


def test_a_greenlet_within_can_wait(app: Flask, serve: Serve) -> None:
    """Such as SQLAlchemy's, or gevent-minded code: it is beneath the bridge all the same."""

    def view() -> str:
        def outer() -> int:
            inner = greenlet(lambda: wait(double(1)))
            return int(inner.switch()) + wait(double(2))

        return str(greenlet(outer).switch())

    serve(view)
    assert run(fetch(app, "/")).text == "6"


def test_greenlets_that_switch_among_themselves_can_wait(app: Flask, serve: Serve) -> None:
    def view() -> str:
        seen: list[Any] = []

        def inner() -> None:
            for number in range(3):
                seen.append(wait(double(number)))
                outer.switch()

        outer = getcurrent()
        within = greenlet(inner)
        for number in range(3):
            within.switch()
            seen.append(wait(double(number * 10)))
        return ",".join(map(str, seen))

    serve(view)
    assert run(fetch(app, "/")).text == "0,0,2,20,4,40"


def test_run_sync_beneath_a_bridge_waits_too(app: Flask, serve: Serve) -> None:
    def in_thread() -> int:
        assert threading.current_thread() is not threading.main_thread()
        return wait(double(8))

    serve(lambda: str(wait(run_sync(in_thread)())))
    assert run(fetch(app, "/")).text == "16"


# Where nothing bridges


def test_in_a_task_that_nothing_bridges_it_says_what_to_do(app: Flask) -> None:
    async def unbridged() -> str:
        with pytest.raises(RuntimeError, match="nothing bridges") as caught:
            wait(double(1))
        return str(caught.value)

    @app.get("/")
    async def view() -> str:
        return await asyncio.create_task(unbridged())

    message = run(fetch(app, "/")).text
    assert "bridged(function)" in message
    assert "run_sync(function)" in message
    # The awaitable was closed; otherwise there is a warning now, which is an error here.
    gc.collect()


def test_flasks_client_waits_in_an_async_test_and_the_tests_own_code_is_told_of_another(
    app: Flask,
) -> None:
    app.add_url_rule("/", "waits", lambda: str(wait(double(1))))

    async def an_async_test() -> None:
        assert app.test_client().get("/").text == "2"
        with pytest.raises(RuntimeError, match=r"in a test, .*QuartClient\(app\)"):
            wait(double(1))

    run(an_async_test())


def test_in_a_task_that_nothing_bridges_what_does_not_suspend_is_had() -> None:
    async def main() -> str:
        return wait(immediate())

    assert run(main()) == "at once"


def test_in_a_callback_of_the_loop_it_says_what_to_do() -> None:
    async def main() -> None:
        errors: list[Exception] = []

        def callback() -> None:
            try:
                wait(double(1))
            except Exception as error:
                errors.append(error)

        asyncio.get_running_loop().call_soon(callback)
        await until(lambda: errors)
        assert "nothing bridges" in str(errors[0])

    run(main())


def test_bridged_makes_a_task_able_to_wait(app: Flask) -> None:
    def plain(value: int) -> int:
        return wait(double(value))

    @app.get("/")
    async def view() -> str:
        results = await asyncio.gather(*(asyncio.create_task(bridged(plain)(n)) for n in (1, 2)))
        return str(results)

    assert run(fetch(app, "/")).text == "[2, 4]"


def test_bridged_gives_an_async_function() -> None:
    def plain() -> None:
        """Wait for nothing."""

    function = bridged(plain)
    assert asyncio.iscoroutinefunction(function)
    assert function.__name__ == "plain"


# Cancellation and timeouts


def test_a_timeout_around_plain_code_ends_its_wait(app: Flask) -> None:
    cleaned = []

    def plain() -> None:
        try:
            wait(asyncio.Event().wait())
        finally:
            cleaned.append(True)

    @app.get("/loop")
    async def in_loop() -> str:
        try:
            async with asyncio.timeout(0.05):  # noqa: ASYNC100  # plain code awaits, that is it
                plain()
        except TimeoutError:
            return "timed out"
        return "not"

    async def with_thread() -> str:
        try:
            async with asyncio.timeout(0.05):
                await run_sync(plain)()
        except TimeoutError:
            return "timed out"
        return "not"

    app.add_url_rule("/thread", "thread", with_thread)
    app.add_url_rule("/nested", "nested", lambda: wait(with_thread()))
    for path in ("/loop", "/thread", "/nested"):
        assert run(fetch(app, path)).text == "timed out"
    assert cleaned == [True] * 3


def test_a_timeout_reaches_a_busy_thread_at_its_next_wait(app: Flask) -> None:
    busy, go_on = threading.Event(), threading.Event()
    seen: list[BaseException] = []

    def plain() -> None:
        busy.set()
        assert go_on.wait(10)
        try:
            wait(asyncio.sleep(0))
        except asyncio.CancelledError as error:
            seen.append(error)
            raise

    app.add_url_rule("/", "view", plain)

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            await exchange.until(busy.is_set)
            exchange.task.cancel()
            await asyncio.sleep(0.05)  # Long enough for it to end, if it did.
            assert not exchange.task.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await exchange.end()

    run(main())
    assert len(seen) == 1


def waiting_view(events: list[str], started: threading.Event) -> Callable[[], str]:
    async def forever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            events.append("async code cancelled")
            raise

    def plain() -> str:
        try:
            wait(forever())
        except asyncio.CancelledError:
            events.append("plain code cancelled")
            raise
        return "not cancelled"

    return plain


@pytest.fixture
def events(app: Flask) -> list[str]:
    """What happens, the teardown of the request included."""
    events: list[str] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        events.append(f"teardown: {type(error).__name__}")

    return events


CANCELLED = ["async code cancelled", "plain code cancelled", "teardown: CancelledError"]


def test_cancelling_the_task_reaches_plain_code(
    app: Flask, serve: Serve, events: list[str]
) -> None:
    started = threading.Event()
    serve(waiting_view(events, started))

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            await exchange.until(started.is_set)
            exchange.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange.end()
            assert exchange.messages == []

    run(main())
    assert events == CANCELLED


@pytest.mark.parametrize("body", [b"", b"some body"])
def test_a_client_that_leaves_ends_the_wait_of_plain_code(
    app: Flask, serve: Serve, events: list[str], body: bytes
) -> None:
    started = threading.Event()
    serve(waiting_view(events, started))

    async def main() -> None:
        async with Exchange(app, "/", "POST") as exchange:
            exchange.body_arrives(body)
            await exchange.until(started.is_set)
            exchange.leave()
            await exchange.end()
            assert exchange.messages == []

    run(main())
    assert events == CANCELLED


def test_a_client_that_leaves_amid_its_body_ends_the_reading(
    app: Flask, serve: Serve, events: list[str]
) -> None:
    started = threading.Event()

    def view() -> bytes:
        started.set()
        try:
            return request.get_data()
        except BaseException as error:
            events.append(type(error).__name__)
            raise

    serve(view)

    async def main() -> None:
        async with Exchange(app, "/", "POST", [("Content-Length", "100")]) as exchange:
            exchange.body_arrives(b"the first part", more=True)
            await exchange.until(lambda: exchange.asked == 2)
            exchange.leave()
            await exchange.end()

    run(main())
    assert started.is_set()
    assert events[0] in {"ClientDisconnected", "ClientDisconnectedError"}
    # An HTTP error, as it is with Flask, and so one that the application handles.
    assert events[1:] == ["teardown: NoneType"]


def test_plain_code_may_outlive_a_cancelled_wait(app: Flask, serve: Serve) -> None:
    """It cleans up with further waits, as ``finally: await ...`` does in async code."""
    cleaned: list[int] = []
    started = threading.Event()
    waiting = waiting_view([], started)

    def view() -> str:
        try:
            return waiting()
        finally:
            cleaned.append(wait(double(3)))

    serve(view)

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            await exchange.until(started.is_set)
            exchange.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await exchange.end()

    run(main())
    assert cleaned == [6]


def websocket_app(app: Flask, plain: Callable[[], Any]) -> list[str]:
    events: list[str] = []

    @app.websocket("/ws")
    async def handler() -> None:
        await websocket.accept()
        try:
            plain()
        except BaseException as error:
            events.append(type(error).__name__)
            raise

    @app.teardown_websocket
    def teardown(error: BaseException | None) -> None:
        events.append("teardown")

    return events


@pytest.mark.parametrize("way", ["leave", "cancel"])
def test_a_websocket_that_ends_reaches_plain_code(app: Flask, way: str) -> None:
    events = websocket_app(app, lambda: wait(asyncio.Event().wait()))

    async def main() -> None:
        async with Handshake(app, "/ws") as handshake:
            await handshake.sent(1)
            if way == "leave":
                handshake.leave()
                await handshake.end()
            else:
                handshake.task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await handshake.end()

    run(main())
    assert events == ["CancelledError", "teardown"]


def test_plain_code_receives_and_sends_over_a_websocket(app: Flask) -> None:
    def converse() -> None:
        while True:
            wait(websocket.send(wait(websocket.receive()).upper()))

    events = websocket_app(app, converse)

    async def main() -> None:
        async with Handshake(app, "/ws") as handshake:
            handshake.say("hello")
            handshake.say("again")
            await handshake.sent(3)
            handshake.leave()
            await handshake.end()
        assert handshake.said == ["HELLO", "AGAIN"]

    run(main())
    assert events == ["ClientDisconnectedError", "teardown"]


# Context variables


def test_variables_are_seen_on_both_sides(app: Flask, serve: Serve) -> None:
    variable: ContextVar[list[str]] = ContextVar("variable")

    def add(name: str) -> None:
        variable.set([*variable.get([]), name])

    async def add_async(name: str) -> None:
        add(f"{name} start")
        await asyncio.sleep(0)
        add(f"{name} end")

    @app.before_request
    def plain_hook() -> None:
        add("plain hook")

    @app.before_request
    async def async_hook() -> None:
        await add_async("async hook")

    def view() -> str:
        add("view")
        wait(add_async("waited"))
        wait(run_sync(add)("thread"))
        return "ok"

    @app.after_request
    async def async_after(response: Any) -> Any:
        add("async after")
        return response

    @app.after_request
    def plain_after(response: Any) -> Any:
        add("plain after")
        return response

    seen: list[str] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        seen.extend(variable.get())

    serve(view)
    assert run(fetch(app, "/")).text == "ok"
    assert seen == [
        "plain hook",
        "async hook start",
        "async hook end",
        "view",
        "waited start",
        "waited end",
        "thread",
        "plain after",
        "async after",
    ]


def test_a_token_can_be_reset_on_the_other_side(app: Flask, serve: Serve) -> None:
    """There is one Context: a copy would refuse the token."""
    variable: ContextVar[str] = ContextVar("variable", default="before")

    async def reset(token: Any) -> None:
        await asyncio.sleep(0)
        variable.reset(token)

    def view() -> str:
        token = variable.set("within")
        wait(reset(token))
        return variable.get()

    serve(view)
    assert run(fetch(app, "/")).text == "before"


def test_variables_of_different_requests_stay_apart(app: Flask, serve: Serve) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")

    def view() -> str:
        variable.set(variable.get() + request.args["name"])
        wait(asyncio.sleep(0.001))
        return variable.get()

    serve(view)

    async def main() -> list[str]:
        return [
            a.text for a in await asyncio.gather(*(fetch(app, f"/?name={n}") for n in range(20)))
        ]

    assert run(main()) == [str(n) for n in range(20)]
