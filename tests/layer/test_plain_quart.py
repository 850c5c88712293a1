"""A `Quart` application in the hands of plain code: an extension that was given the object itself.

The same methods answer both: an async function gets something to await, plain code the answer.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import flask
import pytest
from blinker import Namespace
from werkzeug.exceptions import NotFound

import quart
from quart import Quart
from quart_flask_patch import bridged, genuine

from ._asgi import fetch, run


@pytest.fixture
def quart_app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "secret"
    return app


@pytest.fixture(params=["plain view", "async view", "worker call", "no loop"])
def ask(request: pytest.FixtureRequest, quart_app: Quart) -> Callable[[Callable[[], Any]], Any]:
    """Call a plain function in each of the places where plain code can wait."""

    def called(func: Callable[[], Any]) -> Any:
        results: list[Any] = []

        def view() -> str:
            results.append(func())
            return ""

        async def async_view() -> str:
            return view()

        async def worker_view() -> str:
            return await quart.utils.run_sync(view)()

        views: dict[str, Any] = {
            "plain view": view,
            "async view": async_view,
            "worker call": worker_view,
        }
        if request.param == "no loop":
            with quart_app.test_request_context("/"):
                view()
        else:
            quart_app.add_url_rule("/", "view", views[request.param])
            exchange = run(fetch(quart_app, "/"))
            assert exchange.status == 200, exchange.text
        return results[0]

    return called


def test_plain_code_gets_flasks_response(quart_app: Quart, ask: Any) -> None:
    def extension() -> Any:
        response: Any = quart_app.make_response(("made", 201, {"X-Some": "thing"}))
        assert isinstance(response, genuine.Response)
        return response.status_code, response.get_data(as_text=True)

    assert ask(extension) == (201, "made")


def test_plain_code_gets_what_the_steps_give(quart_app: Quart, ask: Any) -> None:
    @quart_app.before_request
    async def before() -> None:
        await asyncio.sleep(0)
        quart.g.before = quart.g.get("before", 0) + 1

    @quart_app.after_request
    async def after(response: quart.Response) -> quart.Response:
        assert isinstance(response, quart.Response)
        response.headers["X-After"] = await asyncio.sleep(0, "after")
        return response

    @quart_app.errorhandler(404)
    async def missing(error: Exception) -> Any:
        return await asyncio.sleep(0, ("missing", 404))

    @quart_app.context_processor
    async def names() -> dict[str, Any]:
        return await asyncio.sleep(0, {"name": "value"})

    def extension() -> Any:
        app: Any = quart_app
        context: dict[str, Any] = {}
        app.update_template_context(context)
        assert context["name"] == "value"
        assert app.handle_user_exception(NotFound()) == ("missing", 404)
        assert not app.preprocess_request()
        response = app.process_response(app.make_response("text"))
        assert isinstance(response, genuine.Response)
        return flask.g.before, response.headers["X-After"], response.get_data(as_text=True)

    assert ask(extension)[1:] == ("after", "text")


def test_plain_code_gets_files(quart_app: Quart, ask: Any) -> None:
    blueprint = quart.Blueprint("blueprint", __name__)

    def extension() -> Any:
        app: Any = quart_app
        with app.open_resource("conftest.py", "r") as file:
            ours = file.readline()
        with blueprint.open_resource("conftest.py", "r") as file:  # type: ignore[attr-defined]  # to a type checker it is async
            return ours, file.readline()

    first, second = ask(extension)
    assert first == second != ""


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_method_of_a_subclass_answers_too(kind: str) -> None:
    class Plain(Quart):
        def make_response(self, result: Any) -> Any:
            response: Any = super().make_response(result)
            response.headers["X-Made"] = type(response).__module__
            return response

    class Async(Quart):
        async def make_response(self, result: Any) -> Any:
            response = await super().make_response(result)
            response.headers["X-Made"] = await asyncio.sleep(0, type(response).__module__)
            return response

    app = Plain(__name__) if kind == "plain" else Async(__name__)
    module = "flask.wrappers" if kind == "plain" else "quart.wrappers.response"

    @app.get("/")
    def view() -> Any:
        response: Any = app.make_response("made")
        assert isinstance(response, genuine.Response)
        of_proxy = flask.make_response("made")
        assert of_proxy.headers["X-Made"] == response.headers["X-Made"] == module
        return response

    @app.get("/async")
    async def async_view() -> Any:
        if kind == "async":
            assert isinstance(await app.make_response("made"), quart.Response)
        return "made"

    for path in ("/", "/async"):
        exchange = run(fetch(app, path))
        assert (exchange.status, exchange.text) == (200, "made")
        assert exchange.headers["x-made"] == module


def test_async_code_gets_awaitables(quart_app: Quart) -> None:
    """However it writes the call, as long as the call is its own."""

    @quart_app.get("/")
    async def view() -> Any:
        make = quart_app.make_response
        responses = [
            await quart_app.make_response("0"),
            await (lambda: make("1"))(),
            *await asyncio.gather(*[make(text) for text in "23"]),
            *await asyncio.gather(*(make(text) for text in "45")),
            *await asyncio.gather(*map(make, "67")),
            await quart.make_response("8"),
            await asyncio.create_task(make("9")),
        ]
        assert all(type(response) is quart.Response for response in responses)
        return "".join([(await response.get_data(as_text=True)) for response in responses])

    assert run(fetch(quart_app, "/")).text == "0123456789"


@pytest.mark.parametrize("wrap", [functools.wraps, lambda func: lambda wrapper: wrapper])
def test_plain_helpers_hand_awaitables_on(quart_app: Quart, wrap: Any) -> None:
    """A decorator for tracing, say, between an async function and what it awaits."""

    def timed(func: Any) -> Any:
        @wrap(func)
        def wrapper(*args: Any) -> Any:
            return func(*args)

        return wrapper

    @quart_app.get("/")
    async def view() -> Any:
        make, render = timed(quart_app.make_response), timed(quart_app.update_template_context)
        context: dict[str, Any] = {}
        assert await render(context) is None
        assert "request" in context
        assert await timed(quart_app.preprocess_request)() is None
        assert await asyncio.create_task(timed(quart_app.preprocess_request)()) is None
        error = NotFound()
        assert await timed(quart_app.handle_user_exception)(error) is error
        assert await asyncio.create_task(timed(quart_app.handle_user_exception)(error)) is error
        async with await timed(quart_app.open_resource)("conftest.py") as file:
            assert await file.readline()
        response = await timed(make)("made")
        assert type(response) is quart.Response
        return response

    assert run(fetch(quart_app, "/")).text == "made"


def test_what_plain_code_changes_is_seen_by_whoever_awaits(quart_app: Quart) -> None:
    def extension() -> Any:
        response: Any = quart_app.make_response("made")
        response.status_code = 202
        response.headers["X-Extension"] = "yes"
        response.set_data(response.get_data() + b" and changed")
        return response

    @quart_app.get("/awaited")
    async def awaited() -> Any:
        response = await extension()
        assert type(response) is quart.Response
        return response

    @quart_app.get("/returned")
    async def returned() -> Any:
        return extension()

    for path in ("/awaited", "/returned"):
        exchange = run(fetch(quart_app, path))
        assert (exchange.status, exchange.text) == (202, "made and changed")
        assert exchange.headers["x-extension"] == "yes"


def test_in_a_task_that_nothing_bridges_plain_code_hands_awaitables_on(quart_app: Quart) -> None:
    def make() -> Any:
        return quart_app.make_response("made")

    async def main() -> None:
        assert type(await make()) is quart.Response
        assert isinstance(await bridged(make)(), genuine.Response)

    run(main())


def test_the_methods_are_async_functions_to_who_looks(quart_app: Quart) -> None:
    class Mine(Quart):
        async def dispatch_request(self) -> Any:
            """Mine."""
            return await super().dispatch_request()

    mine = Mine(__name__)
    for method in (quart_app.make_response, Quart.make_response, mine.dispatch_request):
        assert inspect.iscoroutinefunction(method)
        assert asyncio.iscoroutinefunction(method)
    assert inspect.isfunction(Quart.make_response)
    assert list(inspect.signature(quart_app.make_response).parameters) == ["result"]
    assert mine.dispatch_request.__doc__ == "Mine."
    assert mine.dispatch_request.__name__ == "dispatch_request"
    assert "super().dispatch_request()" in inspect.getsource(mine.dispatch_request)
    assert quart_app.make_response == quart_app.make_response


def test_an_extension_wraps_a_method_of_the_object(quart_app: Quart) -> None:
    """As Flask-RESTful does."""
    app = quart_app
    original: Any = app.handle_user_exception

    def handle(error: Exception) -> Any:
        if isinstance(error, KeyError):
            response: Any = app.make_response(("by the extension", 418))
            response.headers["X-Answer"] = "yes"
            return response
        return original(error)

    app.handle_user_exception = handle  # type: ignore[method-assign]  # that is the point

    @app.errorhandler(ValueError)
    async def handler(error: Exception) -> Any:
        return await asyncio.sleep(0, "by the application")

    @app.get("/<kind>/<error>")
    def view(kind: str, error: str) -> Any:
        raise {"key": KeyError, "value": ValueError}[error]

    @app.get("/async/<error>")
    async def async_view(error: str) -> Any:
        raise {"key": KeyError, "value": ValueError}[error]

    for kind in ("plain", "async"):
        exchange = run(fetch(app, f"/{kind}/key"))
        assert (exchange.status, exchange.text) == (418, "by the extension")
        assert exchange.headers["x-answer"] == "yes"
        assert run(fetch(app, f"/{kind}/value")).text == "by the application"


# --- Which application it is ---------------------------------------------------------------------


def current() -> Any:
    return flask.current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy's


def test_the_current_app_equals_the_application(quart_app: Quart, ask: Any) -> None:
    kept = WeakKeyDictionary({quart_app: "engine"})
    other = Quart("other")

    def extension() -> Any:
        face = current()
        assert face == quart_app
        assert quart_app == face
        assert face != other
        assert {face: 1, quart_app: 2} == {quart_app: 2}
        return kept[face]

    assert ask(extension) == "engine"


def test_signals_know_senders_by_the_application(quart_app: Quart) -> None:
    signal = Namespace().signal("something-happened")
    heard: list[tuple[str, Any]] = []

    @quart_app.get("/")
    def view() -> str:
        def of_face(sender: Any) -> None:
            heard.append(("face", sender))

        with signal.connected_to(of_face, current()):
            signal.send(current())
            signal.send(quart_app)
            signal.send(flask.Flask("another"))
        assert not signal.has_receivers_for(current())
        return ""

    run(fetch(quart_app, "/"))
    assert heard == [("face", quart_app)] * 2


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_contexts_of_the_current_app_are_the_applications(quart_app: Quart, kind: str) -> None:
    def view() -> Any:
        flask.g.seen = "outside"
        app = current()
        with app.app_context():
            assert quart.current_app._get_current_object() is quart_app
            assert "seen" not in flask.g
        with app.test_request_context("/inner?a=1"):
            assert quart.current_app._get_current_object() is quart_app
            assert quart.request.path == flask.request.path == "/inner"
            # As with Flask: a request in a context of its application shares that one's g.
            assert flask.g.seen == "outside"
        return flask.g.seen

    async def async_view() -> Any:
        return view()

    quart_app.add_url_rule("/", "view", view if kind == "plain" else async_view)
    exchange = run(fetch(quart_app, "/"))
    assert (exchange.status, exchange.text) == (200, "outside")


def test_a_test_client_of_the_current_app(quart_app: Quart) -> None:
    """As a command of an extension has it."""

    @quart_app.get("/async")
    async def async_view() -> Any:
        await asyncio.sleep(0)
        assert quart.current_app._get_current_object() is quart_app
        return await quart.make_response("async", 202)

    @quart_app.after_request
    async def after(response: quart.Response) -> quart.Response:
        assert isinstance(response, quart.Response)
        return response

    with quart_app.app_context():
        answer = current().test_client().get("/async")
    assert (answer.status_code, answer.text) == (202, "async")


def test_an_application_with_its_own_threads_and_its_own_way_to_a_view(place: str) -> None:
    """As quart-trio has it: the pipeline is entered without the place of the request."""

    class Own(Quart):
        def sync_to_async(self, func: Any) -> Any:
            async def in_its_thread(*args: Any) -> Any:
                return func(*args)

            return in_its_thread

        async def handle_request(self, request: Any) -> Any:
            async with self.request_context(request) as ctx:
                return await self.full_dispatch_request(ctx)

    app = Own(__name__)
    app.config["SYNC_PLACE"] = place
    app.add_url_rule("/", "view", lambda: "plain")
    assert run(fetch(app, "/")).text == "plain"
