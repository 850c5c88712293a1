"""An error in any stage: what the client sees, what is torn down, and that nothing is left."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from flask import (
    abort,
    after_this_request,
    Flask,
    got_request_exception,
    render_template_string,
    Response,
    signals as flask_signals,
)
from werkzeug.routing import BaseConverter

from quart import Quart, signals, websocket
from quart.signals import got_websocket_exception
from quart.utils import run_sync
from quart_flask_patch import wait

from ._asgi import Exchange, fetch, Handshake, run


class Boom(Exception):
    pass


def boom(*args: Any) -> Any:
    raise Boom("as the test wants it")


async def boom_async(*args: Any) -> Any:
    await asyncio.sleep(0)
    raise Boom("as the test wants it")


class Bad(BaseConverter):
    to_python = boom


def fail_in(app: Any, stage: str, view: Callable[[Any], Any], error: Any) -> None:
    """Register a view at ``/`` in whose *stage* there is an error; *view* makes it async or not."""

    def body() -> Any:
        if stage == "view":
            return error() if error is boom else wait(error())
        if stage == "template":
            return render_template_string("{{ 1 // 0 }}")
        if stage == "response":
            return object()
        if stage in {"error handler", "two errors"}:
            raise LookupError("first")
        return "fine"

    app.add_url_rule("/", "view", view(body))
    if stage == "before hook":
        app.before_request(error)
    elif stage in {"after hook", "two errors"}:
        app.after_request(error)
    elif stage in {"error handler"}:
        app.errorhandler(LookupError)(error)
    elif stage == "url value preprocessor":
        app.url_value_preprocessor(boom)
    elif stage == "context processor":
        app.context_processor(boom)
        app.view_functions["view"] = view(lambda: render_template_string("some"))


STAGES = ["before hook", "view", "template", "response", "after hook", "error handler"]
STAGES += ["two errors", "url value preprocessor", "context processor"]


@pytest.fixture(params=["sync", "loop", "async"])
def view(request: pytest.FixtureRequest, either_app: Flask | Quart) -> Callable[[Any], Any]:
    """Make a view of a plain function: one of each sort, in each place."""
    if request.param == "loop":
        either_app.config["SYNC_PLACE"] = "loop"

    def make(plain: Any) -> Any:
        async def async_view() -> Any:
            return plain()

        return async_view if request.param == "async" else plain

    return make


@pytest.fixture
def torn_down(either_app: Flask | Quart) -> list[str]:
    """The teardown functions that have run, in order."""
    names: list[str] = []

    def note(name: str) -> Callable[[Any], None]:
        return lambda error: names.append(name)

    async def third(error: BaseException | None) -> None:
        await asyncio.sleep(0)
        names.append("async")

    either_app.teardown_request(note("first"))
    either_app.teardown_request(note("second"))
    either_app.teardown_request(third)
    either_app.teardown_appcontext(note("app"))
    return names


ALL_TORN_DOWN = ["async", "second", "first", "app"]


@pytest.mark.parametrize("error", [boom, boom_async], ids=["plain", "async"])
@pytest.mark.parametrize("stage", STAGES)
def test_the_client_is_told_and_all_is_torn_down(
    either_app: Flask | Quart, view: Any, torn_down: list[str], stage: str, error: Any
) -> None:
    fail_in(either_app, stage, view, error)
    failed: list[BaseException] = []

    def note(sender: Any, exception: BaseException, **_: Any) -> None:
        failed.append(exception)

    with got_request_exception.connected_to(note, either_app):
        answer = run(fetch(either_app, "/"))
    assert answer.status == 500
    assert answer.complete
    assert b"Internal Server Error" in answer.body
    assert torn_down == ALL_TORN_DOWN
    assert len(failed) == 1


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("key", ["TESTING", "PROPAGATE_EXCEPTIONS"])
def test_the_error_is_raised_to_who_wants_it(
    either_app: Flask | Quart, view: Any, torn_down: list[str], stage: str, key: str
) -> None:
    either_app.config[key] = True
    fail_in(either_app, stage, view, boom)
    with pytest.raises((Boom, ZeroDivisionError, TypeError, LookupError)):
        run(fetch(either_app, "/"))
    assert torn_down == ALL_TORN_DOWN


def test_the_log_shows_both_sides_of_a_wait_and_no_way_between(
    either_app: Flask | Quart, view: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def waits() -> Any:
        return wait(boom_async())

    either_app.add_url_rule("/", "view", view(waits))
    assert run(fetch(either_app, "/")).status == 500
    (exc_info,) = [record.exc_info for record in caplog.records if record.exc_info]
    shown = [entry.name for entry in traceback.extract_tb(exc_info[2])]
    assert [name for name in shown if name != "async_view"] == ["waits", "boom_async"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_handler_of_500_answers(either_app: Flask | Quart, view: Any, stage: str) -> None:
    fail_in(either_app, stage, view, boom)

    @either_app.errorhandler(500)
    def handle(error: Any) -> Any:
        return f"sorry for {type(error.original_exception).__name__}", 500

    answer = run(fetch(either_app, "/"))
    assert answer.status == 500
    assert answer.text.startswith("sorry for")


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("stage", ["before hook", "view"])
def test_a_handler_of_the_error_answers(
    either_app: Flask | Quart, view: Any, torn_down: list[str], stage: str, kind: str
) -> None:
    fail_in(either_app, stage, view, boom)

    def handle(error: Boom) -> Any:
        return "handled", 418

    async def handle_async(error: Boom) -> Any:
        await asyncio.sleep(0)
        return "handled", 418

    either_app.register_error_handler(Boom, handle if kind == "plain" else handle_async)
    answer = run(fetch(either_app, "/"))
    assert (answer.status, answer.text) == (418, "handled")
    assert torn_down == ALL_TORN_DOWN


def test_an_http_error_is_an_answer(
    either_app: Flask | Quart, view: Any, torn_down: list[str]
) -> None:
    either_app.add_url_rule("/", "view", view(lambda: abort(403)))
    assert run(fetch(either_app, "/")).status == 403
    assert run(fetch(either_app, "/", "PUT")).status == 405
    assert run(fetch(either_app, "/none")).status == 404
    assert torn_down == ALL_TORN_DOWN * 3


def test_an_error_of_a_url_converter_is_one_of_the_request(
    either_app: Flask | Quart, view: Any, torn_down: list[str]
) -> None:
    either_app.url_map.converters["bad"] = Bad
    either_app.add_url_rule("/<bad:value>", "view", view(lambda: "never"))

    @either_app.errorhandler(500)
    def handle(error: Any) -> Any:
        return "handled", 500

    answer = run(fetch(either_app, "/some"))
    assert (answer.status, answer.text) == (500, "handled")
    assert torn_down == ALL_TORN_DOWN


def test_an_error_while_the_session_is_opened_or_saved(
    either_app: Flask | Quart, view: Any, torn_down: list[str]
) -> None:
    class Interface(type(Flask.session_interface)):  # type: ignore[misc]  # its class
        failing = ""

        def open_session(self, app: Any, request: Any) -> Any:
            return boom() if self.failing == "open" else super().open_session(app, request)

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            return boom() if self.failing == "save" else None

    either_app.session_interface = Interface()
    either_app.add_url_rule("/", "view", view(lambda: "fine"))
    for failing in ("open", "save"):
        Interface.failing = failing
        torn_down.clear()
        assert run(fetch(either_app, "/")).status == 500
        assert torn_down == ALL_TORN_DOWN


# StopIteration, which may not leave a coroutine, arrives as any other error


def stop(*args: Any, **kwargs: Any) -> Any:
    return next(iter(()))


class Stopping(BaseConverter):
    to_python = stop


def stop_in(app: Any, stage: str, view: Callable[[Any], Any]) -> None:
    """Register a view at ``/1`` in whose *stage* a plain function raises StopIteration."""
    app.url_map.converters["stopping"] = Stopping
    rule = "/<stopping:value>" if stage == "converter" else "/1"
    is_quart = not issubclass(type(app), Flask)

    def body(value: Any = None) -> Any:
        if stage == "view":
            return stop()
        if stage == "error handler":
            raise LookupError
        if stage == "after_this_request":
            after_this_request(stop)
        if stage == "wait":
            return wait(run_sync(stop)())
        if stage == "json":
            return {"a": object()}
        return "fine"

    app.add_url_rule(rule, "view", view(body))
    match stage:
        case "before_request" | "after_request" | "url_value_preprocessor" | "context_processor":
            getattr(app, stage)(stop)
        case "error handler":
            app.register_error_handler(LookupError, stop)
        case "json":
            app.json.default = stop
        case "started" | "finished":
            signal = getattr(signals if is_quart else flask_signals, f"request_{stage}")
            signal.connect(stop, app)
        case "dispatch_request" | "full_dispatch_request" | "preprocess_request":
            setattr(app, stage, stop)


#: Whether an error handler of the application's deals with errors of the stage, as on Flask.
STOPPING = {
    "view": True,
    "wait": True,
    "before_request": True,
    "url_value_preprocessor": True,
    "started": True,
    "dispatch_request": True,
    "preprocess_request": True,
    "converter": False,
    "full_dispatch_request": False,
    "after_this_request": False,
    "after_request": False,
    "error handler": False,
    "json": False,
    "finished": False,
}


def stopped_by(app: Any, stage: str) -> type[Exception]:
    """What arrives; a view that is a coroutine makes it a RuntimeError itself, as anywhere."""
    is_async = asyncio.iscoroutinefunction(app.view_functions["view"])
    return RuntimeError if is_async and stage in {"view", "wait"} else StopIteration


@pytest.mark.parametrize("handler", [True, False], ids=["handler", "no-handler"])
@pytest.mark.parametrize("stage", STOPPING)
def test_a_stop_iteration_arrives_as_raised(
    either_app: Flask | Quart, view: Any, stage: str, handler: bool
) -> None:
    stop_in(either_app, stage, view)
    failed: list[type] = []
    torn_down: list[type] = []
    either_app.teardown_request(lambda error: torn_down.append(type(error)))
    if handler:
        either_app.register_error_handler(StopIteration, lambda error: ("handled", 418))

    def note(sender: Any, exception: BaseException, **_: Any) -> None:
        failed.append(type(exception))

    with got_request_exception.connected_to(note, either_app):
        answer = run(fetch(either_app, "/1"))
    kind = stopped_by(either_app, stage)
    if handler and STOPPING[stage] and kind is StopIteration:
        assert (answer.status, failed, torn_down) == (418, [], [type(None)])
    else:
        assert (answer.status, failed, torn_down) == (500, [kind], [kind])


@pytest.mark.parametrize("stage", STOPPING)
def test_a_stop_iteration_reaches_who_calls_as_wsgi(app: Flask, view: Any, stage: str) -> None:
    app.testing = True
    stop_in(app, stage, view)
    with pytest.raises(stopped_by(app, stage)):
        app.test_client().get("/1")


@pytest.mark.parametrize("hook", ["teardown_request", "teardown_appcontext"])
def test_a_stop_iteration_of_a_teardown_arrives_as_raised(app: Flask, view: Any, hook: str) -> None:
    app.testing = True
    getattr(app, hook)(stop)
    app.add_url_rule("/", "view", view(lambda: "fine"))
    with pytest.raises(StopIteration):
        app.test_client().get("/")


def test_a_stop_iteration_of_a_coroutine_is_pythons_own_error(app: Flask) -> None:
    @app.get("/")
    async def view() -> Any:
        return stop()

    app.register_error_handler(StopIteration, lambda error: ("handled", 418))
    app.register_error_handler(RuntimeError, lambda error: (str(error), 500))
    assert run(fetch(app, "/")).text == "coroutine raised StopIteration"


def test_plain_code_that_calls_a_step_sees_a_stop_iteration(app: Flask) -> None:
    app.before_request(stop)
    with app.test_request_context("/"), pytest.raises(StopIteration):
        app.preprocess_request()


# Teardown


@pytest.mark.parametrize("error", [boom, boom_async], ids=["plain", "async"])
@pytest.mark.parametrize("hook", ["teardown_request", "teardown_appcontext"])
def test_an_error_in_a_teardown_stops_no_other(
    either_app: Flask | Quart, view: Any, torn_down: list[str], hook: str, error: Any
) -> None:
    getattr(either_app, hook)(error)
    either_app.add_url_rule("/", "view", view(lambda: "fine"))
    answer = run(fetch(either_app, "/"))
    assert answer.complete
    assert answer.status == 500
    assert torn_down == ALL_TORN_DOWN


def test_an_error_in_a_teardown_is_raised_in_tests(
    either_app: Flask | Quart, view: Any, torn_down: list[str]
) -> None:
    either_app.testing = True
    either_app.teardown_request(boom)
    either_app.add_url_rule("/", "view", view(lambda: "fine"))
    with pytest.raises(Boom):
        run(fetch(either_app, "/"))
    assert torn_down == ALL_TORN_DOWN


# Streams


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("generator", ["plain", "async"])
def test_an_error_in_a_stream_cuts_it(
    either_app: Flask | Quart, view: Any, torn_down: list[str], generator: str, first: bool
) -> None:
    closed = []

    def chunks() -> Any:
        try:
            if not first:
                yield "some"
            boom()
            yield "never"
        finally:
            closed.append(True)

    async def async_chunks() -> Any:
        for chunk in chunks():
            yield chunk

    made = chunks if generator == "plain" else async_chunks
    either_app.add_url_rule("/", "view", view(made))

    async def main() -> None:
        async with Exchange(either_app, "/") as exchange:
            exchange.body_arrives()
            with pytest.raises(Boom):
                await exchange.end()
            # A server cuts the connection then, and so the client does not take it for complete.
            assert not exchange.complete
            assert exchange.status == 200

    run(main())
    assert closed == [True]
    assert torn_down == ALL_TORN_DOWN


def test_an_error_on_close_comes_after_the_answer(app: Flask, place: str) -> None:
    def view() -> Response:
        response = Response("fine")
        response.call_on_close(boom)
        return response

    app.add_url_rule("/", "view", view)

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            await exchange.sent(2)
            await asyncio.wait([exchange.task])
            assert exchange.text == "fine"
            assert exchange.complete
            assert isinstance(exchange.task.exception(), Boom)

    run(main())


def test_a_client_that_leaves_before_its_answer_leaves_nothing(
    either_app: Flask | Quart, view: Any, torn_down: list[str]
) -> None:
    either_app.add_url_rule("/", "view", view(lambda: iter(["a", "b"])))

    async def main() -> None:
        exchange = Exchange(either_app, "/")

        async def send(message: Any) -> None:
            raise OSError("the client is gone")

        exchange.body_arrives()
        # That is how a server says that the client has left, which is no error.
        await either_app(exchange.scope, exchange._receive, send)

    run(main())
    assert torn_down == ALL_TORN_DOWN


# Websockets


def fail_in_websocket(app: Any, stage: str) -> list[str]:
    """A websocket in whose *stage* there is an error; return what is torn down."""
    names: list[str] = []

    @app.websocket("/ws")
    async def handler() -> None:
        if stage == "before accept":
            boom()
        await websocket.accept()
        if stage in {"after accept", "error handler"}:
            wait(boom_async())
        await websocket.send("fine")

    if stage == "before hook":
        app.before_websocket(boom)
    elif stage == "async before hook":
        app.before_websocket(boom_async)
    elif stage == "after hook":
        app.after_websocket(boom)
    elif stage == "error handler":
        app.errorhandler(Boom)(boom)
    app.teardown_websocket(lambda error: names.append("websocket"))
    app.teardown_appcontext(lambda error: names.append("app"))
    return names


async def converse(app: Any) -> Handshake:
    async with Handshake(app, "/ws") as handshake:
        return await handshake.end()


@pytest.mark.parametrize("stage", ["before hook", "async before hook", "before accept"])
def test_an_error_before_accepting_refuses_the_websocket(
    either_app: Flask | Quart, stage: str
) -> None:
    names = fail_in_websocket(either_app, stage)
    failed = []

    def note(sender: Any, exception: BaseException, **_: Any) -> None:
        failed.append(type(exception))

    with got_websocket_exception.connected_to(note, either_app):
        handshake = run(converse(either_app))
    assert not handshake.accepted
    assert handshake.status == 500
    assert names == ["websocket", "app"]
    assert failed == [Boom]


@pytest.mark.parametrize("stage", ["after accept", "after hook", "error handler"])
def test_an_error_after_accepting_closes_the_websocket(
    either_app: Flask | Quart, stage: str
) -> None:
    names = fail_in_websocket(either_app, stage)
    handshake = run(converse(either_app))
    assert handshake.accepted
    assert handshake.code == 1011
    assert names == ["websocket", "app"]


@pytest.mark.parametrize("stage", ["before hook", "before accept", "after accept"])
def test_an_error_of_a_websocket_is_raised_in_tests(either_app: Flask | Quart, stage: str) -> None:
    either_app.testing = True
    names = fail_in_websocket(either_app, stage)
    with pytest.raises(Boom):
        run(converse(either_app))
    assert names == ["websocket", "app"]


# Errors and threads


def test_errors_give_their_threads_back(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 2
    app.add_url_rule("/", "view", boom)
    app.add_url_rule("/fine", "fine", lambda: threading.current_thread().name)

    async def main() -> None:
        answers = await asyncio.gather(*(fetch(app, "/") for _ in range(20)))
        assert {a.status for a in answers} == {500}
        assert (await fetch(app, "/fine")).status == 200

    run(main())


def test_a_converter_may_abort(app: Flask) -> None:
    class Even(BaseConverter):
        def to_python(self, value: str) -> int:
            if not value.isdigit() or int(value) % 2:
                abort(410)
            return int(value)

    app.url_map.converters["even"] = Even
    app.add_url_rule("/<even:number>", "view", lambda number: f"{number}")
    app.register_error_handler(410, lambda error: ("gone", 410))
    for path, expected in {"/2": (200, "2"), "/3": (410, "gone"), "/x": (410, "gone")}.items():
        answer = app.test_client().get(path)
        assert (answer.status_code, answer.text) == expected
        served = run(fetch(app, path))
        assert (served.status, served.text) == expected


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit]
)
def test_what_is_no_exception_is_an_error_to_the_server(error: type[BaseException]) -> None:
    """As Flask has it, no handler gets it; and a server must not take it for its own end."""
    app, torn_down = Flask(__name__), []
    app.register_error_handler(500, lambda error: ("handled", 500))
    app.teardown_request(lambda error: torn_down.append(type(error)))

    @app.get("/")
    def view() -> str:
        # As `asyncio.run` does, if a task that its coroutine awaits was cancelled.
        raise error

    with pytest.raises(RuntimeError, match=f"{error.__name__}|sys.exit"):
        run(fetch(app, "/"))
    assert torn_down == [error]
