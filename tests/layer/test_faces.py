"""One request, two faces: what is read, set or parsed on one is there on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import flask
import pytest
from blinker import Namespace
from flask import Flask
from werkzeug.exceptions import RequestEntityTooLarge

import quart
from quart import Quart
from quart_flask_patch import genuine, wait

from ._asgi import Exchange, fetch, Handshake, post_json, run

URLENCODED = [("Content-Type", "application/x-www-form-urlencoded")]
MULTIPART = [("Content-Type", "multipart/form-data; boundary=edge")]
FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="name"\r\n\r\nvalue\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nsome text\r\n--edge--\r\n"
)

Sides = Callable[[Any, Callable[[], Any], Callable[[], Awaitable[Any]]], None]


@pytest.fixture(params=["flask first", "quart first"])
def sides(request: pytest.FixtureRequest) -> Sides:
    """Put at ``/`` a view in which plain code and async code touch the request, in turn.

    Its answer is what each has seen: a list of the two, the same whoever was first.
    """

    def serve(app: Any, plain: Callable[[], Any], other: Callable[[], Awaitable[Any]]) -> None:
        async def view() -> Any:
            if request.param == "flask first":
                return [plain(), await other()]
            seen = await other()
            return [plain(), seen]

        app.add_url_rule("/", "async", view, methods=["GET", "POST"])
        app.add_url_rule("/sync", "sync", lambda: wait(view()), methods=["GET", "POST"])

    return serve


PATHS = pytest.mark.parametrize("path", ["/", "/sync"])


@PATHS
def test_a_form_parsed_on_one_is_seen_on_the_other(
    either_app: Flask | Quart, sides: Sides, path: str
) -> None:
    async def other() -> Any:
        return (await quart.request.form)["name"]

    sides(either_app, lambda: flask.request.form["name"], other)
    answer = run(fetch(either_app, path, "POST", b"name=value", URLENCODED))
    assert answer.json == ["value", "value"]


@PATHS
def test_files_are_seen_on_both(either_app: Flask | Quart, sides: Sides, path: str) -> None:
    def plain() -> Any:
        file = flask.request.files["file"]
        file.stream.seek(0)
        return [flask.request.form["name"], file.filename, file.read().decode()]

    async def other() -> Any:
        file = (await quart.request.files)["file"]
        file.stream.seek(0)
        return [(await quart.request.form)["name"], file.filename, file.read().decode()]

    sides(either_app, plain, other)
    answer = run(fetch(either_app, path, "POST", FORM, MULTIPART))
    assert answer.json == [["value", "a.txt", "some text"]] * 2


@PATHS
def test_json_is_parsed_once(either_app: Flask | Quart, sides: Sides, path: str) -> None:
    values: list[Any] = []

    def plain() -> Any:
        values.append(flask.request.get_json())
        return flask.request.json

    async def other() -> Any:
        values.append(await quart.request.get_json())
        return await quart.request.json

    sides(either_app, plain, other)
    assert run(post_json(either_app, path, {"a": [1]})).json == [{"a": [1]}] * 2
    assert values[0] is values[1]


@PATHS
def test_cached_data_is_seen_on_both(either_app: Flask | Quart, sides: Sides, path: str) -> None:
    async def other() -> Any:
        return (await quart.request.get_data()).decode()

    sides(either_app, lambda: flask.request.get_data(as_text=True), other)
    assert run(fetch(either_app, path, "POST", b"some data")).json == ["some data"] * 2


@PATHS
def test_attributes_that_someone_sets_are_seen_on_both(
    either_app: Flask | Quart, sides: Sides, path: str
) -> None:
    def plain() -> Any:
        flask.request.by_flask = 1  # type: ignore[attr-defined]  # that is the point
        return None

    async def other() -> Any:
        quart.request.by_quart = 2  # type: ignore[attr-defined]  # that is the point
        return None

    seen = []

    @either_app.after_request
    async def look(response: Any) -> Any:
        seen.append((flask.request.by_quart, quart.request.by_flask))  # type: ignore[attr-defined]
        return response

    sides(either_app, plain, other)
    assert run(fetch(either_app, path)).json == [None, None]
    assert seen == [(2, 1)]


def test_what_the_url_says_is_the_same_on_both(either_app: Flask | Quart) -> None:
    @either_app.get("/<int:number>/<name>")
    def view(number: int, name: str) -> Any:
        ours, theirs = quart.request, flask.request
        assert theirs.view_args is ours.view_args
        assert theirs.url_rule is ours.url_rule
        same = ("endpoint", "path", "full_path", "url", "base_url", "method", "host", "remote_addr")
        assert {n: getattr(ours, n) for n in same} == {n: getattr(theirs, n) for n in same}
        assert dict(theirs.headers) == dict(ours.headers)
        assert theirs.args.getlist("q") == ours.args.getlist("q") == ["1", "2"]
        assert theirs.cookies["crumb"] == ours.cookies["crumb"] == "yes"
        return [theirs.view_args, theirs.environ["PATH_INFO"], theirs.environ["QUERY_STRING"]]

    answer = run(fetch(either_app, "/7/x?q=1&q=2", headers=[("Cookie", "crumb=yes")]))
    assert answer.json == [{"number": 7, "name": "x"}, "/7/x", "q=1&q=2"]


@PATHS
def test_g_and_the_session_are_one(either_app: Flask | Quart, sides: Sides, path: str) -> None:
    def plain() -> Any:
        flask.g.plain = "plain"
        flask.session["plain"] = "plain"
        return None

    async def other() -> Any:
        quart.g.other = "other"
        quart.session["other"] = "other"
        return None

    seen = []

    @either_app.after_request
    def look(response: Any) -> Any:
        seen.append((dict(flask.session), dict(quart.session)))
        seen.append((flask.g.other, quart.g.plain))
        return response

    sides(either_app, plain, other)
    answer = run(fetch(either_app, path))
    both = {"plain": "plain", "other": "other"}
    assert seen == [(both, both), ("other", "plain")]
    assert "session=" in answer.headers["set-cookie"]


def test_flashes_are_one(either_app: Flask | Quart) -> None:
    @either_app.get("/")
    async def view() -> Any:
        flask.flash("plain")
        await quart.flash("other")
        return flask.get_flashed_messages()

    assert run(fetch(either_app, "/")).json == ["plain", "other"]


def test_the_current_app_is_one(either_app: Flask | Quart) -> None:
    @either_app.get("/")
    async def view() -> str:
        assert quart.current_app._get_current_object() is either_app  # type: ignore[attr-defined]
        assert flask.current_app.config is either_app.config
        assert flask.current_app.extensions is either_app.extensions
        flask.current_app.by_flask = 1  # type: ignore[attr-defined]  # that is the point
        assert quart.current_app.by_flask == 1  # type: ignore[attr-defined]
        assert isinstance(flask.current_app._get_current_object(), genuine.Flask)  # type: ignore[attr-defined]
        return "ok"

    assert run(fetch(either_app, "/")).text == "ok"


def test_signals_that_plain_code_sends_are_the_applications(either_app: Flask | Quart) -> None:
    """Whoever listens to the application hears what an extension sends in its name."""
    heard: list[Any] = []
    signal = Namespace().signal("extension-did-something")

    def listen(sender: Any, **values: Any) -> None:
        heard.append(sender)

    @either_app.get("/")
    def view() -> str:
        signal.send(flask.current_app._get_current_object())  # type: ignore[attr-defined]
        return flask.render_template_string("some")

    with (
        signal.connected_to(listen, either_app),
        flask.template_rendered.connected_to(listen, either_app),
    ):
        run(fetch(either_app, "/"))
    assert heard == [either_app, either_app]


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_templates_of_a_quart_app_wait_for_what_is_async(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever renders them, and wherever that is."""
    monkeypatch.setenv("QUART_SYNC_PLACE", place)
    app = Quart(__name__)

    @app.template_filter()
    async def shout(text: str) -> str:
        await asyncio.sleep(0.001)
        return text.upper()

    async def names() -> Any:
        for name in ("a", "b"):
            yield await shout(name)

    source = "{% for n in names() %}{{ n|shout }}{% endfor %}{{ request.path|shout }}"

    @app.get("/plain")
    def plain() -> str:
        return flask.render_template_string(source, names=names)

    @app.get("/async")
    async def asynchronous() -> str:
        return await quart.render_template_string(source, names=names)

    @app.get("/both")
    async def both() -> str:
        return flask.render_template_string(source, names=names)

    assert run(fetch(app, "/plain")).body == b"AB/PLAIN"
    assert run(fetch(app, "/async")).body == b"AB/ASYNC"
    assert run(fetch(app, "/both")).body == b"AB/BOTH"


def test_a_quart_app_is_a_flask_app_to_who_asks() -> None:
    assert isinstance(Quart(__name__), flask.Flask)
    assert isinstance(Flask(__name__), Quart)
    assert isinstance(Flask(__name__), genuine.Flask)
    assert not isinstance(object(), flask.Flask)


# Limits


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_hook_may_set_the_limit_of_a_request(app: Flask, kind: str, chunked: bool) -> None:
    @app.before_request
    def limit() -> None:
        flask.request.max_content_length = 5

    def view() -> str:
        return str(len(flask.request.get_data()))

    async def async_view() -> str:
        return str(len(await quart.request.get_data()))

    app.add_url_rule("/", "view", async_view if kind == "async" else view, methods=["POST"])

    async def send(body: bytes) -> int:
        headers = () if chunked else [("Content-Length", str(len(body)))]
        async with Exchange(app, "/", "POST", headers) as exchange:
            exchange.body_arrives(body)
            return (await exchange.end()).status

    assert run(send(b"12345")) == 200
    assert run(send(b"123456")) == 413


def test_the_limits_of_a_form_hold_on_both(app: Flask, place: str) -> None:
    app.config["MAX_FORM_PARTS"] = 1
    seen = []

    @app.post("/")
    def view() -> str:
        with pytest.raises(RequestEntityTooLarge):
            flask.request.form.get("name")
        seen.append(True)
        return "refused"

    @app.post("/async")
    async def async_view() -> str:
        with pytest.raises(RequestEntityTooLarge):
            await quart.request.form
        seen.append(True)
        return "refused"

    for path in ("/", "/async"):
        assert run(fetch(app, path, "POST", FORM, MULTIPART)).text == "refused"
    assert seen == [True, True]


def test_a_chunked_upload_is_streamed(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> str:
        total = 0
        while piece := flask.request.stream.read(16 * 1024):
            total += len(piece)
        return str(total)

    async def main() -> str:
        async with Exchange(app, "/", "POST", [("Transfer-Encoding", "chunked")]) as exchange:
            for _ in range(100):
                exchange.body_arrives(b"x" * 50_000, more=True)
            exchange.body_arrives()
            return (await exchange.end()).text

    assert run(main()) == str(100 * 50_000)


def test_lines_of_a_stream_may_cross_messages(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> Any:
        return [line.decode() for line in flask.request.stream]

    async def main() -> Any:
        async with Exchange(app, "/", "POST") as exchange:
            for piece in (b"first li", b"ne\nsecond", b" line\n", b"last"):
                exchange.body_arrives(piece, more=True)
            exchange.body_arrives()
            return (await exchange.end()).json

    assert run(main()) == ["first line\n", "second line\n", "last"]


def test_a_request_class_of_the_application_is_used(app: Flask, place: str) -> None:
    class Request(flask.Request):
        @property
        def shouted(self) -> str:
            return self.get_data(as_text=True).upper()

    app.request_class = Request

    @app.post("/")
    def view() -> str:
        assert isinstance(flask.request._get_current_object(), Request)  # type: ignore[attr-defined]
        return flask.request.shouted  # type: ignore[attr-defined,no-any-return]

    @app.post("/async")
    async def async_view() -> str:
        await asyncio.sleep(0)
        return str(flask.request.shouted)  # type: ignore[attr-defined]

    assert run(fetch(app, "/", "POST", b"hello")).text == "HELLO"
    assert run(fetch(app, "/async", "POST", b"hello")).text == "HELLO"


def test_a_request_class_with_a_constructor_is_called(app: Flask, place: str) -> None:
    class Request(flask.Request):
        def __init__(self, environ: dict[str, Any], **options: Any) -> None:
            super().__init__(environ, **options)
            self.made_from = environ["PATH_INFO"]

    app.request_class = Request

    @app.post("/some")
    def view() -> str:
        return flask.request.made_from + flask.request.form["name"]  # type: ignore[attr-defined,no-any-return]

    assert run(fetch(app, "/some", "POST", b"name=value", URLENCODED)).text == "/somevalue"


def test_a_response_class_of_the_application_is_used(app: Flask, place: str) -> None:
    class Response(flask.Response):
        default_mimetype = "text/x-own"

    app.response_class = Response
    app.add_url_rule("/", "view", lambda: "ok")
    assert run(fetch(app, "/")).headers["content-type"].startswith("text/x-own")


@pytest.mark.parametrize("cls", [flask.Response, genuine.Response, quart.Response])
@PATHS
def test_responses_of_either_class_may_be_returned(
    either_app: Flask | Quart, cls: type, path: str
) -> None:
    def view() -> Any:
        return cls("the body", status=203, headers={"X-Some": "thing"}), 202, {"X-Other": "one"}

    async def async_view() -> Any:
        return view()

    either_app.add_url_rule("/", "async", async_view)
    either_app.add_url_rule("/sync", "sync", view)
    answer = run(fetch(either_app, path))
    assert (answer.status, answer.text) == (202, "the body")
    assert (answer.headers["x-some"], answer.headers["x-other"]) == ("thing", "one")


@pytest.mark.parametrize("cls", [flask.Response, quart.Response])
@pytest.mark.parametrize("hook", ["before_request", "after_request"])
def test_hooks_may_answer_with_either_class(
    either_app: Flask | Quart, place: str, cls: type, hook: str
) -> None:
    getattr(either_app, hook)(lambda *args: cls("from the hook"))
    either_app.add_url_rule("/", "view", lambda: "from the view")
    assert run(fetch(either_app, "/")).text == "from the hook"


def test_in_a_websocket_flasks_request_is_the_handshake(either_app: Flask | Quart) -> None:
    seen: list[Any] = []

    @either_app.websocket("/ws/<name>")
    async def handler(name: str) -> None:
        flask.g.name = name
        seen.append(flask.request.path)
        seen.append(flask.request.headers["X-Some"])
        seen.append(flask.request.cookies["crumb"])
        seen.append(flask.request.view_args)
        seen.append(isinstance(flask.request._get_current_object(), genuine.Request))  # type: ignore[attr-defined]
        seen.append(flask.url_for(".handler", name="other"))
        await quart.websocket.send(quart.g.name)

    async def main() -> list[str]:
        headers = [("X-Some", "thing"), ("Cookie", "crumb=yes")]
        async with Handshake(either_app, "/ws/me", headers) as handshake:
            await handshake.end()
        return handshake.said

    assert run(main()) == ["me"]
    assert seen[:5] == ["/ws/me", "thing", "yes", {"name": "me"}, True]


# A Quart application in the hands of a Flask extension


def test_a_quart_app_answers_sync_calls() -> None:
    app = Quart(__name__)

    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def extension() -> list[Any]:
        with app.app_context():
            assert flask.current_app.name == app.name
        with app.test_request_context("/some?a=1"):
            assert flask.request.path == "/some"
            assert flask.request.args["a"] == "1"
            response = flask.current_app.make_response(("made", 201))
            assert isinstance(response, genuine.Response)
        return [response.status_code, app.ensure_sync(double)(2)]

    app.add_url_rule("/", "view", extension)
    assert extension() == [201, 4]
    assert run(fetch(app, "/")).json == [201, 4]


def test_a_request_within_an_app_context_has_that_very_object(app: Flask) -> None:
    """Extensions keep what belongs to an application context by its identity (Flask-SQLAlchemy)."""

    @app.get("/")
    def view() -> str:
        return str(id(flask.globals.app_ctx._get_current_object()))  # type: ignore[attr-defined]

    with app.app_context():
        outside = str(id(flask.globals.app_ctx._get_current_object()))  # type: ignore[attr-defined]
        assert app.test_client().get("/").text == outside
    assert run(fetch(app, "/")).text
