"""Where code runs: the two places, their threads, and how one is chosen."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import wraps
from queue import SimpleQueue
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from flask import Flask, g, render_template_string, request, session
from flask.views import MethodView, View

from quart import Quart, websocket
from quart._threads import pool as _pool, worker
from quart.utils import run_sync
from quart_flask_patch import awaited, runs_in, wait
from quart_flask_patch._places import VARIABLE

from ._asgi import Exchange, fetch, Handshake, run, run_apart, until


def here() -> str:
    """Where this code runs."""
    main = threading.current_thread() is threading.main_thread()
    return "loop" if main else "thread"


def pool_of(app: Any) -> _pool.Pool:
    return _pool.pool_of(app)


# The rule


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_view_decides_where_everything_runs(either_app: Flask | Quart, kind: str) -> None:
    places: dict[str, str] = {}

    def note(name: str) -> None:
        places[name] = here()

    @either_app.url_value_preprocessor
    def preprocess(endpoint: str | None, values: Any) -> None:
        note("url_value_preprocessor")

    @either_app.before_request
    def before() -> None:
        note("before_request")

    @either_app.after_request
    def after(response: Any) -> Any:
        note("after_request")
        return response

    @either_app.teardown_request
    def teardown(error: Any) -> None:
        note("teardown_request")

    @either_app.teardown_appcontext
    def teardown_app(error: Any) -> None:
        note("teardown_appcontext")

    @either_app.errorhandler(KeyError)
    def handle(error: KeyError) -> Any:
        note("errorhandler")
        return "handled"

    def sync_view() -> Any:
        note("view")
        raise KeyError("some")

    async def async_view() -> Any:
        return sync_view()

    either_app.add_url_rule("/", "view", async_view if kind == "async" else sync_view)
    assert run(fetch(either_app, "/")).text == "handled"
    assert len(places) == 7
    assert set(places.values()) == {"thread" if kind == "sync" else "loop"}


def test_async_functions_of_a_sync_request_run_on_the_loop(app: Flask) -> None:
    places: dict[str, Any] = {}

    @app.before_request
    async def hook() -> None:
        places["hook"] = here()

    def decorated(view: Any) -> Any:
        @wraps(view)
        def wrapper() -> Any:
            places["decorator"] = here()
            return app.ensure_sync(view)()

        return wrapper

    async def inner() -> str:
        places["inner"] = here()
        return "ok"

    def outer() -> Any:
        return app.ensure_sync(inner)()

    app.add_url_rule("/", "outer", outer)
    app.add_url_rule("/decorated", "decorated", decorated(inner))
    assert run(fetch(app, "/")).text == "ok"
    assert places == {"hook": "loop", "inner": "loop"}
    # The decorator says by `__wrapped__` that there is an async view within.
    assert run(fetch(app, "/decorated")).text == "ok"
    assert places["decorator"] == "loop"


def test_a_class_based_view_is_async_if_all_its_methods_are(app: Flask) -> None:
    class AllAsync(MethodView):
        async def get(self) -> str:
            return str(g.place)

        async def post(self) -> str:
            return str(g.place)

    class SomeAsync(MethodView):
        async def get(self) -> str:
            return str(g.place)

        def post(self) -> str:
            return str(g.place)

    class Dispatching(View):
        async def dispatch_request(self) -> str:
            return str(g.place)

    @app.before_request
    def before() -> None:
        g.place = here()

    for cls in (AllAsync, SomeAsync, Dispatching):
        app.add_url_rule(f"/{cls.__name__}", view_func=cls.as_view(cls.__name__))
    assert run(fetch(app, "/AllAsync")).text == "loop"
    assert run(fetch(app, "/SomeAsync")).text == "thread"
    assert run(fetch(app, "/Dispatching")).text == "loop"


@pytest.mark.parametrize("place", ["loop", "own-loop", "thread"])
@pytest.mark.parametrize("kind", ["function", "class"])
def test_an_async_view_is_awaited_for_a_decorator_that_uses_what_it_returns(
    app: Flask, place: str, kind: str
) -> None:
    async def view() -> dict[str, str]:
        before = here()
        await asyncio.sleep(0)
        return {"view": before, "after": here()}

    def uses(function: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
        @wraps(function)
        def wrapper(*args: object) -> dict[str, str]:
            return {**function(*args), "decorator": here()}

        return wrapper

    class Resource(MethodView):
        decorators: ClassVar = [runs_in(place)]

        @uses
        @awaited
        async def get(self) -> dict[str, str]:
            return await view()

    of_class = Resource.as_view("class")
    of_function = runs_in(place)(uses(awaited(view)))
    app.add_url_rule("/", "view", of_class if kind == "class" else of_function)
    found = run(fetch(app, "/")).json
    ran = "loop" if place == "thread" else place.replace("own-loop", "thread")
    at = place.replace("own-loop", "thread")
    assert found == {"view": ran, "after": ran, "decorator": at}
    # Whoever calls it gets what it returns.
    with app.test_request_context():
        assert set(awaited(view)()) == {"view", "after"}


def test_a_url_that_matches_nothing_runs_in_a_thread(app: Flask) -> None:
    places = []

    @app.errorhandler(404)
    def not_found(error: Any) -> Any:
        places.append(here())
        return "nothing here", 404

    assert run(fetch(app, "/nowhere")).status == 404
    assert places == ["thread"]


# Choosing


def test_the_config_chooses_for_plain_views(app: Flask, place: str) -> None:
    app.add_url_rule("/", "view", here)
    assert run(fetch(app, "/")).text == place


def test_the_environment_overrides_the_config(
    app: Flask, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"loop": "thread", "thread": "loop"}[place]
    monkeypatch.setenv(VARIABLE, other)
    app.add_url_rule("/", "view", here)
    assert run(fetch(app, "/")).text == other


def test_the_environment_leaves_async_views_alone(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.get("/")
    async def view() -> str:
        return here()

    monkeypatch.setenv(VARIABLE, "thread")
    assert run(fetch(app, "/")).text == "loop"


def test_the_environment_holds_for_the_test_client(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.add_url_rule("/", "view", here)
    assert app.test_client().get("/").text == "loop"
    monkeypatch.setenv(VARIABLE, "thread")
    other = Flask("other")
    other.add_url_rule("/", "view", here)
    assert other.test_client().get("/").text == "thread"


def test_a_decorator_chooses_for_one_view(app: Flask, place: str) -> None:
    @app.before_request
    def before() -> None:
        g.place = here()

    @app.get("/loop")
    @runs_in("loop")
    def on_loop() -> str:
        return f"{g.place} {here()}"

    @app.get("/thread")
    @runs_in("thread")
    def in_thread() -> str:
        return f"{g.place} {here()}"

    @app.get("/async")
    @runs_in("thread")
    async def async_view() -> str:
        # Its plain hooks may block; it itself is async code.
        return f"{g.place} {here()}"

    assert run(fetch(app, "/loop")).text == "loop loop"
    assert run(fetch(app, "/thread")).text == "thread thread"
    assert run(fetch(app, "/async")).text == "thread loop"


def test_a_decorator_is_found_beneath_others(app: Flask) -> None:
    def decorate(view: Any) -> Any:
        @wraps(view)
        def wrapper(*args: Any) -> Any:
            return view(*args)

        return wrapper

    @runs_in("loop")
    def view() -> str:
        return here()

    app.add_url_rule("/", "view", decorate(decorate(view)))
    assert run(fetch(app, "/")).text == "loop"


def test_a_view_that_has_every_attribute_is_a_plain_one(app: Flask) -> None:
    view = MagicMock(return_value="from a mock", methods=["GET"])
    app.add_url_rule("/", "mock", view)

    assert run(fetch(app, "/")).text == "from a mock"


@pytest.mark.parametrize("source", ["config", "environment"])
def test_an_unknown_place_is_refused(
    app: Flask, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    app.testing = True
    app.add_url_rule("/", "view", here)
    if source == "config":
        app.config["SYNC_PLACE"] = "cellar"
    else:
        monkeypatch.setenv(VARIABLE, "cellar")
    with pytest.raises(ValueError, match="to be 'thread' or 'loop', got 'cellar'"):
        run(fetch(app, "/"))


def test_a_decorator_refuses_an_unknown_place() -> None:
    with pytest.raises(ValueError, match="'loop', 'thread', 'own-loop', got 'cellar'"):
        runs_in("cellar")


# One thread for each request


def test_a_connection_bound_to_its_thread_can_be_used(either_app: Flask | Quart) -> None:
    closed = []

    @either_app.before_request
    def connect() -> None:
        g.db = sqlite3.connect(":memory:")
        g.db.execute("CREATE TABLE t (n INTEGER)")

    @either_app.teardown_request
    def disconnect(error: Any) -> None:
        g.db.close()
        closed.append(error)

    @either_app.get("/<int:number>")
    def view(number: int) -> str:
        g.db.execute("INSERT INTO t VALUES (?)", (number,))
        wait(asyncio.sleep(0.001))
        (found,) = g.db.execute("SELECT n FROM t").fetchone()
        return str(found)

    async def main() -> list[str]:
        answers = await asyncio.gather(*(fetch(either_app, f"/{n}") for n in range(30)))
        return [a.text for a in answers]

    assert run(main()) == [str(n) for n in range(30)]
    assert closed == [None] * 30


class Hops:
    """How often a thread was given something to do."""

    count = 0


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Hops:
    hops, give = Hops(), worker.WorkerThread.give

    def counted(self: worker.WorkerThread, job: Any) -> None:
        hops.count += 1
        give(self, job)

    monkeypatch.setattr(worker.WorkerThread, "give", counted)
    return hops


def test_a_sync_request_costs_one_hop(app: Flask, hops: Hops) -> None:
    threads = set()

    def note(*args: Any) -> Any:
        threads.add(threading.get_ident())
        return args[0] if args else None

    for _ in range(3):
        app.before_request(note)
        app.after_request(note)
        app.teardown_request(note)
    app.context_processor(lambda: {"value": 1, "thread": note(1)})

    @app.post("/")
    def view() -> str:
        session["name"] = request.get_json()
        g.name = note(1)
        return render_template_string("{{ value }} {{ session.name }}")

    async def main() -> None:
        for count in (1, 2):
            body, headers = b'"me"', [("Content-Type", "application/json")]
            async with Exchange(app, "/", "POST", headers) as exchange:
                exchange.body_arrives(body)
                assert (await exchange.end()).text == "1 me"
            assert len(threads) == 1
            # One for the request, and one for the wait for its body.
            assert hops.count == 2 * count

    run(main())


def test_a_sync_request_without_waits_costs_one_hop(app: Flask, hops: Hops) -> None:
    for _ in range(3):
        app.before_request(lambda: None)
        app.after_request(lambda response: response)
        app.teardown_request(lambda error: None)
    app.add_url_rule("/", "view", lambda: render_template_string("{{ 1 }}"))
    run(fetch(app, "/"))
    assert hops.count == 1


def test_an_async_request_takes_no_thread(app: Flask, hops: Hops) -> None:
    app.before_request(lambda: None)
    app.teardown_request(lambda error: None)

    @app.get("/")
    async def view() -> str:
        return render_template_string("{{ 1 }}")

    run(fetch(app, "/"))
    assert hops.count == 0
    assert pool_of(app).threads == 0


def test_the_body_of_an_answer_is_made_in_the_same_thread(app: Flask) -> None:
    threads = set()

    @app.get("/")
    def view() -> Any:
        threads.add(threading.get_ident())

        def generate() -> Any:
            for number in range(3):
                threads.add(threading.get_ident())
                yield str(number)

        return app.response_class(generate())

    @app.teardown_request
    def teardown(error: Any) -> None:
        threads.add(threading.get_ident())

    assert run(fetch(app, "/")).text == "012"
    assert len(threads) == 1
    assert threading.get_ident() not in threads


# The pool


def test_a_pool_of_one_thread_does_not_deadlock(either_app: Flask | Quart) -> None:
    either_app.config["SYNC_THREADS"] = 1
    threads = set()

    def innermost() -> str:
        threads.add(threading.get_ident())
        return "innermost"

    async def inner() -> str:
        return await run_sync(innermost)()

    def middle() -> str:
        threads.add(threading.get_ident())
        return wait(inner())

    async def outer() -> str:
        await asyncio.sleep(0)
        return await run_sync(middle)()

    @either_app.get("/")
    def view() -> str:
        threads.add(threading.get_ident())
        return wait(outer())

    async def main() -> None:
        answers = await asyncio.gather(*(fetch(either_app, "/") for _ in range(5)))
        assert [a.text for a in answers] == ["innermost"] * 5

    run_apart(main())
    assert len(threads) == 1


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_several_sync_calls_at_once_do_not_deadlock_a_pool_of_one(app: Flask, path: str) -> None:
    app.config["SYNC_THREADS"] = 1

    async def gather() -> list[int]:
        return await asyncio.gather(*(run_sync(lambda n=n: n)() for n in range(3)))

    app.add_url_rule("/sync", "sync", lambda: str(wait(gather())))

    @app.get("/async")
    async def async_view() -> str:
        return str(await gather())

    async def main() -> None:
        assert (await fetch(app, path)).text == "[0, 1, 2]"

    run_apart(main())


def test_a_full_pool_queues(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 2
    released = threading.Event()
    entered: SimpleQueue[int] = SimpleQueue()

    @app.get("/<int:number>")
    def view(number: int) -> str:
        entered.put(number)
        assert released.wait(10)
        return str(number)

    async def main() -> None:
        pool = pool_of(app)
        tasks = [asyncio.create_task(fetch(app, f"/{n}")) for n in range(6)]
        await until(lambda: entered.qsize() == 2 and pool.queued == 4)
        assert pool.threads == 2
        released.set()
        assert [(await task).text for task in tasks] == [str(n) for n in range(6)]
        assert pool.queued == 0
        assert pool.threads == 2
        assert pool.longest_wait > 0

    run(main())


def test_who_comes_first_to_a_full_pool_is_served_first(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 1
    served = []

    @app.get("/<int:number>")
    def view(number: int) -> str:
        served.append(number)
        wait(asyncio.sleep(0.001))
        return str(number)

    async def main() -> None:
        await asyncio.gather(*(fetch(app, f"/{n}") for n in range(20)))

    run(main())
    assert served == list(range(20))


def test_who_leaves_the_queue_takes_no_thread(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 1
    entered, released = threading.Event(), threading.Event()
    handled = []

    @app.get("/<int:number>")
    def view(number: int) -> str:
        handled.append(number)
        entered.set()
        assert released.wait(10)
        return str(number)

    async def main() -> None:
        async with Exchange(app, "/0") as first, Exchange(app, "/1") as second:
            await first.until(entered.is_set)
            await second.until(lambda: pool_of(app).queued)
            second.task.cancel()
            await asyncio.wait([second.task], timeout=2)
            assert second.task.cancelled()
            third = asyncio.create_task(fetch(app, "/2"))
            released.set()
            assert (await first.end()).text == "0"
            assert (await third).text == "2"

    run(main())
    assert handled == [0, 2]


def test_websockets_that_live_long_hold_no_thread(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 1

    @app.websocket("/ws")
    async def handler() -> None:
        await websocket.accept()
        await run_sync(lambda: None)()
        await websocket.receive()

    app.add_url_rule("/", "view", here)

    async def main() -> None:
        async with Handshake(app, "/ws") as one, Handshake(app, "/ws") as other:
            await one.sent(1)
            await other.sent(1)
            assert (await fetch(app, "/")).text == "thread"
            for handshake in (one, other):
                handshake.say("bye")
                await handshake.end()

    run(main())


# asgiref


def test_async_to_sync_of_asgiref_runs_on_the_servers_loop(app: Flask) -> None:
    async def look() -> Any:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    seen: list[Any] = []

    @app.get("/")
    def view() -> str:
        seen.append(async_to_sync(look)())
        return str(request.path)

    async def main() -> None:
        assert (await fetch(app, "/")).text == "/"
        assert seen == [asyncio.get_running_loop()]

    run(main())


def test_sync_to_async_of_asgiref_runs_in_the_requests_thread(app: Flask) -> None:
    @app.get("/")
    async def view() -> dict[str, bool]:
        ours = await run_sync(threading.get_ident)()
        theirs = await sync_to_async(threading.get_ident)()
        return {"same": ours == theirs}

    assert run(fetch(app, "/")).json == {"same": True}


def test_sync_to_async_of_asgiref_sees_the_request(app: Flask) -> None:
    @app.get("/")
    async def view() -> str:
        return await sync_to_async(lambda: request.path + here())()

    assert run(fetch(app, "/")).text == "/thread"


def test_sync_to_async_that_is_not_thread_sensitive_leaves_the_requests_thread(app: Flask) -> None:
    @app.get("/")
    async def view() -> dict[str, Any]:
        ours = await run_sync(threading.get_ident)()
        apart = sync_to_async(lambda: (threading.get_ident(), request.path), thread_sensitive=False)
        thread, path = await apart()
        return {"apart": thread not in {ours, threading.get_ident()}, "path": path}

    assert run(fetch(app, "/")).json == {"apart": True, "path": "/"}


def test_async_to_sync_of_asgiref_beneath_an_async_view(app: Flask) -> None:
    """Several plain frames down, where a loop is running, and within an async function again."""

    async def look() -> Any:
        await asyncio.sleep(0)
        return asyncio.current_task(), request.path

    def plain() -> Any:
        return async_to_sync(look)()

    async def look_again() -> Any:
        await asyncio.sleep(0)
        return plain()

    @app.get("/")
    async def view() -> dict[str, bool]:
        expected = asyncio.current_task(), "/"
        return {"once": plain() == expected, "twice": async_to_sync(look_again)() == expected}

    assert run(fetch(app, "/")).json == {"once": True, "twice": True}


def test_asgiref_without_a_request_is_asgirefs() -> None:
    async def look() -> int:
        return await sync_to_async(threading.get_ident)()

    assert async_to_sync(look)() == threading.get_ident()

    async def main() -> None:
        assert await sync_to_async(threading.get_ident)() != threading.get_ident()

    run(main())


# Debugging


@pytest.mark.parametrize("mode", ["debug", "testing"])
def test_it_is_told_what_plain_code_holds_the_loop(
    mode: str, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(app, mode, True)
    app.config["SLOW_CALLBACK_DURATION"] = 0.05

    def dawdle() -> None:
        time.sleep(0.2)  # Longer than the loop may be held for.

    @app.get("/slow")
    async def slow() -> str:
        dawdle()
        return "done"

    @app.get("/quick")
    async def quick() -> str:
        await asyncio.sleep(0.2)  # As long, but the loop is free.
        return "done"

    with caplog.at_level(logging.WARNING):
        run(fetch(app, "/quick"))
        assert caplog.records == []
        run(fetch(app, "/slow"))
    (record,) = caplog.records
    assert "'slow'" in record.getMessage()
    # From the view on; neither the server's way to it nor ours.
    assert re.findall(r'File ".*?", line \d+, in (\w+)', record.getMessage()) == ["slow", "dawdle"]


def test_the_view_is_not_blamed_for_what_the_framework_does(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as its own first imports, or what it logs."""
    app.debug = True
    app.config["SLOW_CALLBACK_DURATION"] = 0.05
    # Code of the standard library, as far as one can tell by its file.
    source = "import time\ndef slow(record):\n  time.sleep(0.2)\n  return True\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, logging.__file__, "exec"), namespace)
    app.logger.addFilter(namespace["slow"])

    @app.get("/")
    async def broken() -> str:
        raise LookupError("broken")

    with caplog.at_level(logging.WARNING):
        assert run(fetch(app, "/")).status == 500
    app.logger.removeFilter(namespace["slow"])
    assert "held the event loop" not in caplog.text
