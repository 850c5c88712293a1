"""Flask's request and Quart's in one function, and contexts that go elsewhere, over ASGI."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from flask import (
    after_this_request,
    copy_current_request_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    session,
)
from greenlet import greenlet

import quart
from quart.testing import QuartClient
from quart_flask_patch import wait
from quart_flask_patch.app import Flask

from ._asgi import Exchange, fetch, Handshake, run

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
View = Callable[[], Any]


@pytest.fixture(params=["sync", "sync on the loop", "async"])
def serve(request: pytest.FixtureRequest, app: Flask) -> Callable[[View], Any]:
    """Serve a plain function as a view, in one of the places; return what is answered."""

    def put(view: View, path: str = "/", method: str = "GET", body: bytes = b"") -> Any:
        async def async_view() -> Any:
            await asyncio.sleep(0)
            return view()

        if request.param == "sync on the loop":
            app.config["SYNC_PLACE"] = "loop"
        chosen = async_view if request.param == "async" else view
        app.add_url_rule("/", "view", chosen, methods=["GET", "POST"])
        return run(fetch(app, path, method, body, FORM.items()))

    return put


# --- Both in one function ------------------------------------------------------------------------


def test_both_requests_in_one_view(app: Flask) -> None:
    @app.post("/<int:number>")
    async def view(number: int) -> Any:
        awaited = quart.request
        assert (await awaited.form)["name"] == request.form["name"]
        assert await awaited.form == request.form
        assert awaited.args == request.args
        assert awaited.headers["X-Mine"] == request.headers["X-Mine"]
        assert awaited.cookies == request.cookies
        assert request.cookies.to_dict() == {"a": "b"}
        assert awaited.view_args == request.view_args == {"number": number}
        assert (awaited.url, awaited.method) == (request.url, request.method)
        assert awaited.endpoint == request.endpoint == "view"
        assert (await awaited.values)["q"] == request.values["q"]
        return {"name": request.form["name"], "q": awaited.args["q"]}

    headers = {**FORM, "X-Mine": "yes", "Cookie": "a=b"}
    answer = run(fetch(app, "/7?q=1", "POST", b"name=value", headers.items()))
    assert answer.json == {"name": "value", "q": "1"}


@pytest.mark.parametrize("first", ["flask", "quart"])
@pytest.mark.parametrize("part", ["json", "data", "form", "files"])
def test_one_body_for_both_as_it_arrives(app: Flask, first: str, part: str) -> None:
    """Whichever asks first has to wait for the rest of the body; the other has it then."""
    edge = b'--e\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n%b\r\n--e--\r\n'
    kind, body = {
        "json": ("application/json", b'{"a": "long"}'),
        "data": ("text/plain", b"some text"),
        "form": (FORM["Content-Type"], b"a=1&b=2"),
        "files": ("multipart/form-data; boundary=e", edge % b"content"),
    }[part]

    def plain() -> Any:
        return {
            "json": request.get_json,
            "data": lambda: request.get_data().decode(),
            "form": lambda: dict(request.form),
            "files": lambda: [file.filename for file in request.files.values()],
        }[part]()

    async def awaited() -> Any:
        if part == "json":
            return await quart.request.get_json()
        if part == "data":
            return (await quart.request.get_data()).decode()
        if part == "form":
            return (await quart.request.form).to_dict()
        return [file.filename for file in (await quart.request.files).values()]

    @app.post("/")
    async def view() -> Any:
        if first == "flask":
            return [plain(), await awaited()]
        seen = await awaited()
        return [plain(), seen]

    async def main() -> Any:
        headers = {"Content-Type": kind, "Content-Length": str(len(body))}
        async with Exchange(app, "/", "POST", headers.items()) as exchange:
            exchange.body_arrives(body[:5], more=True)
            await exchange.until(lambda: exchange.asked > 1)
            exchange.body_arrives(body[5:])
            return (await exchange.end()).json

    plainly, async_ = run(main())
    assert plainly == async_ != {}


def test_one_session_and_one_g(app: Flask) -> None:
    @app.get("/")
    async def view() -> Any:
        g.of_flask = session["of flask"] = 1
        quart.g.of_quart = quart.session["of quart"] = 2
        assert dict(session) == dict(quart.session)
        assert (g.of_quart, quart.g.of_flask) == (2, 1)
        return dict(session)

    assert run(fetch(app, "/")).json == {"of flask": 1, "of quart": 2}


# --- Websockets ----------------------------------------------------------------------------------


def test_a_websocket_on_flask(app: Flask) -> None:
    guarded: list[str] = []

    @app.before_request
    def guards_websockets_too() -> None:
        guarded.append(request.path)

    @app.websocket("/<name>")
    async def feed(name: str) -> None:
        await quart.websocket.accept()
        g.name = name
        while True:
            # Plain code may wait for the websocket, and for Flask's session.
            text = wait(quart.websocket.receive())
            await quart.websocket.send(f"{g.name} {text} {session.get('who')}")

    async def main() -> None:
        async with Handshake(app, "/ada") as talk:
            for number, text in enumerate(("one", "two"), start=1):
                talk.say(text)
                await talk.until(lambda number=number: len(talk.said) == number)
            talk.leave()
            await talk.end()
            assert talk.said == ["ada one None", "ada two None"]
        async with QuartClient(app).websocket("/eve") as connection:
            await connection.send("three")
            assert await connection.receive() == "eve three None"

    run(main())
    assert guarded == ["/ada", "/eve"]


def test_a_websocket_of_a_blueprint_on_flask(app: Flask) -> None:
    blueprint = flask.Blueprint("talk", __name__, url_prefix="/talk")

    @blueprint.websocket("/")
    async def feed() -> None:
        await quart.websocket.send(flask.url_for(".feed"))

    app.register_blueprint(blueprint)

    async def main() -> str:
        async with QuartClient(app).websocket("/talk/") as connection:
            return str(await connection.receive())

    assert run(main()).endswith("/talk/")


# --- Contexts that are copied --------------------------------------------------------------------


def seen() -> list[Any]:
    return [request.path, request.form.get("a"), session.get("b"), current_app.name]


SEEN = ["/", "1", "2", "layer.conftest"]


def prepare() -> None:
    # Before it is copied, which is when a copy needs it.
    assert request.form["a"] == "1"
    session["b"] = "2"


def test_into_a_thread(serve: Any) -> None:
    def view() -> Any:
        prepare()
        found: list[Any] = []
        copied = copy_current_request_context(lambda: found.append(seen()))
        thread = threading.Thread(target=copied)
        thread.start()
        thread.join()
        return found

    assert serve(view, "/", "POST", b"a=1").json == [SEEN]


def test_into_a_pool_of_threads_that_outlives_the_request(serve: Any) -> None:
    go_on = threading.Event()
    futures = []

    def later() -> Any:
        go_on.wait(10)
        return seen()

    def view() -> Any:
        prepare()
        futures.extend(pool.submit(copy_current_request_context(later)) for _ in range(3))
        return "at once"

    with ThreadPoolExecutor(3) as pool:
        assert serve(view, "/", "POST", b"a=1").text == "at once"
        go_on.set()
        assert [future.result() for future in futures] == [SEEN] * 3
        # The threads have not kept it.
        assert pool.submit(has_request_context).result() is False


def test_into_a_greenlet(serve: Any) -> None:
    def view() -> Any:
        prepare()
        return greenlet(copy_current_request_context(seen)).switch()

    assert serve(view, "/", "POST", b"a=1").json == SEEN


def test_into_a_greenlet_of_a_context_of_its_own(serve: Any) -> None:
    def view() -> Any:
        prepare()
        apart = greenlet(copy_current_request_context(seen))
        apart.gr_context = None
        return apart.switch()

    assert serve(view, "/", "POST", b"a=1").json == SEEN


def test_into_a_task(app: Flask) -> None:
    @app.post("/")
    async def view() -> Any:
        prepare()

        @quart.copy_current_request_context
        async def in_a_task() -> Any:
            await asyncio.sleep(0.001)
            return [*seen(), (await quart.request.form)["a"]]

        return await asyncio.create_task(in_a_task())

    assert run(fetch(app, "/", "POST", b"a=1", FORM.items())).json == [*SEEN, "1"]


def test_flasks_copy_of_an_async_function_is_plain(app: Flask) -> None:
    """As with Flask, where a copy runs the coroutine to its end; here it waits meanwhile."""

    @app.post("/")
    async def view() -> Any:
        prepare()

        @copy_current_request_context
        async def later() -> Any:
            await asyncio.sleep(0.001)
            return [*seen(), (await quart.request.form)["a"]]

        return later()

    assert run(fetch(app, "/", "POST", b"a=1", FORM.items())).json == [*SEEN, "1"]


def test_into_a_task_that_outlives_the_request(app: Flask) -> None:
    tasks = []
    over = asyncio.Event()

    @app.post("/")
    async def view() -> Any:
        prepare()

        @quart.copy_current_request_context
        async def later() -> Any:
            await over.wait()
            return seen()

        tasks.append(asyncio.create_task(later()))
        return "at once"

    async def main() -> Any:
        assert (await fetch(app, "/", "POST", b"a=1", FORM.items())).text == "at once"
        over.set()
        return await tasks[0]

    assert run(main()) == SEEN


def test_a_copy_closes_only_what_it_opened(serve: Any, app: Flask) -> None:
    """As with Flask, a copy in a thread has a `g` of its own, and so what its teardown closes."""
    closed: list[str] = []

    @app.teardown_appcontext
    def close(error: Any) -> None:
        closed.append(g.pop("connection"))

    def view() -> Any:
        g.connection = "of the request"

        def in_a_thread() -> Any:
            assert "connection" not in g
            g.connection = "of the thread"

        with ThreadPoolExecutor(1) as pool:
            pool.submit(copy_current_request_context(in_a_thread)).result()
        return g.connection

    assert serve(view).text == "of the request"
    assert closed == ["of the thread", "of the request"]


def test_a_copy_in_the_same_place_has_the_same_g(serve: Any) -> None:
    def view() -> Any:
        g.value = "of the request"
        return copy_current_request_context(lambda: g.value)()

    assert serve(view).text == "of the request"


# --- After this request --------------------------------------------------------------------------


def test_after_this_request(serve: Any) -> None:
    order: list[str] = []

    def view() -> Any:
        @after_this_request
        def plain(response: Any) -> Any:
            order.append("plain")
            response.headers["X-Plain"] = request.path
            return response

        @after_this_request
        async def asynchronous(response: Any) -> Any:
            await asyncio.sleep(0)
            order.append("async")
            response.headers["X-Async"] = request.path
            return response

        return "ok"

    answer = serve(view)
    assert (answer.headers["x-plain"], answer.headers["x-async"]) == ("/", "/")
    assert order == ["plain", "async"]


def test_after_this_request_is_for_this_request(app: Flask, place: str) -> None:
    @app.get("/<name>")
    def view(name: str) -> str:
        @after_this_request
        def add(response: Any) -> Any:
            response.headers[f"X-{name}"] = "yes"
            return response

        return name

    async def main() -> list[Any]:
        return await asyncio.gather(*(fetch(app, f"/{name}") for name in "abc"))

    for name, answer in zip("abc", run(main()), strict=True):
        assert [h for h in answer.headers if h.startswith("x-")] == [f"x-{name}"]


def test_after_this_request_needs_a_request(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError):
        after_this_request(lambda response: response)


# --- Contexts within contexts --------------------------------------------------------------------


def test_nested_contexts(serve: Any, app: Flask) -> None:
    other = Flask("other")
    other.add_url_rule("/there", "there", lambda: "")

    def view() -> Any:
        g.value = "outer"
        found = []
        with other.app_context():
            # As in Flask, the request is still there, and URLs are those of its application.
            found += [current_app.name, g.get("value"), request.path, flask.url_for("view")]
        with other.test_request_context("/there?a=1"):
            found += [current_app.name, request.args["a"], g.get("value"), flask.url_for("there")]
            with current_app.test_request_context("/deeper"):
                found.append(request.path)
            found.append(request.path)
        with app.test_request_context("/again"):
            found += [current_app.name, request.path]
        return [*found, current_app.name, request.path, g.value]

    other.config["SERVER_NAME"] = "localhost"
    assert serve(view).json == [
        *("other", None, "/", "/"),
        *("other", "1", None, "/there", "/deeper", "/there"),
        *("layer.conftest", "/again"),
        *("layer.conftest", "/", "outer"),
    ]


def test_a_request_to_another_application_within_one(serve: Any) -> None:
    other = Flask("other")
    torn_down: list[str] = []
    other.teardown_request(lambda error: torn_down.append(current_app.name))

    @other.get("/there")
    async def there() -> Any:
        await asyncio.sleep(0)
        return [current_app.name, request.path, has_request_context()]

    def view() -> Any:
        inner = other.test_client().get("/there").json
        return [inner, current_app.name, request.path]

    assert serve(view).json == [["other", "/there", True], "layer.conftest", "/"]
    assert torn_down == ["other"]


def test_nothing_of_a_request_is_left(serve: Any) -> None:
    serve(lambda: "ok")
    assert not has_request_context()
    assert not has_app_context()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_preserved_context(app: Flask, kind: str) -> None:
    """Flask's client in a block keeps the context of its last request, Quart's does as well."""

    @app.get("/sync")
    def view() -> str:
        g.value = session["value"] = request.args["a"]
        return "ok"

    @app.get("/async")
    async def async_view() -> str:
        await asyncio.sleep(0)
        return view()

    with app.test_client() as client:
        for value in "12":
            client.get(f"/{kind}?a={value}")
            assert (g.value, session["value"], request.args["a"]) == (value, value, value)
    assert not has_request_context()

    async def main() -> None:
        async with QuartClient(app) as client:
            for value in "12":
                await client.get(f"/{kind}?a={value}")
                assert (g.value, session["value"], request.args["a"]) == (value, value, value)
        assert not has_request_context()

    run(main())
