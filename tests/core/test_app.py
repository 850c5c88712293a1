"""The application: construction, factories, URLs and what runs functions."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import threading
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.sansio.app import App
from werkzeug.routing import BuildError

from quart import (
    Blueprint,
    current_app,
    flash,
    g,
    get_flashed_messages,
    Quart,
    render_template_string,
    Request,
    request,
    Response,
    session,
    url_for,
    Websocket,
    websocket,
)
from quart.debug import traceback_response
from quart.globals import _cv_app
from quart.testing import QuartClient, TestApp

from .driver import exchange, route, run

# --- Construction


def test_it_is_built_on_flasks_sansio_app(app: Quart) -> None:
    assert isinstance(app, App)
    assert app.import_name == "core.conftest"
    assert not app.got_first_request


def test_paths_may_be_any_path(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("content")
    app = Quart(
        "app",
        root_path=str(tmp_path),
        static_folder=tmp_path / "files",
        static_url_path="/s",
        template_folder=tmp_path / "pages",
        instance_path=str(tmp_path / "instance"),
    )

    assert exchange(app, "request", "/s/a.txt").body == b"content"
    assert app.instance_path == str(tmp_path / "instance")


def test_a_static_host_needs_host_matching() -> None:
    with pytest.raises(ValueError, match="static_host"):
        Quart("app", static_host="example.org")
    with pytest.raises(ValueError, match="static_host"):
        Quart("app", host_matching=True)
    Quart("app", host_matching=True, static_folder=None)
    Quart("app", host_matching=True, static_host="example.org")


def test_hosts_may_be_matched(kind: str) -> None:
    app = Quart("app", host_matching=True, static_folder=None)
    options: Any = {"host": "<name>.example.org"}
    decorate = app.route if kind == "request" else app.websocket

    @decorate("/", **options)
    async def view(name: str) -> str:
        return name

    assert exchange(app, kind, host=b"a.example.org").text == "a"
    assert exchange(app, kind, host=b"example.com").status == 404


def test_subdomains_may_be_matched(kind: str) -> None:
    app = Quart("app", subdomain_matching=True)
    app.config["SERVER_NAME"] = "localhost"
    decorate: Any = app.route if kind == "request" else app.websocket

    @decorate("/", subdomain="api")
    async def view() -> str:
        return "api"

    assert exchange(app, kind, host=b"api.localhost").text == "api"
    assert exchange(app, kind).status == 404


def test_an_application_is_freed_when_nobody_uses_it() -> None:
    """Also one that has a static folder, routes and hooks, and has served."""
    app = Quart(__name__, static_folder="static")
    app.add_url_rule("/", "view", lambda: "ok")
    app.before_request(lambda: None)
    exchange(app, "request")
    reference = weakref.ref(app)

    del app
    gc.collect()

    assert reference() is None


def test_two_applications_do_not_share_their_hooks(app: Quart) -> None:
    other = Quart("other")
    app.before_request(lambda: None)
    app.before_serving(lambda: None)

    assert other.before_request_funcs == {}
    assert other.before_serving_funcs == []
    assert other.cli is not app.cli


def test_config_prefix_is_quarts(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUART_ANSWER", "42")
    app.config.from_prefixed_env()

    assert app.config["ANSWER"] == 42


# --- Classes that an application may replace


def test_connections_and_responses_may_be_of_another_class(app: Quart, kind: str) -> None:
    class MyRequest(Request):
        mine = "my request"

    class MyWebsocket(Websocket):
        mine = "my websocket"

    class MyResponse(Response):
        default_mimetype = "text/x-mine"

    app.request_class, app.websocket_class = MyRequest, MyWebsocket
    app.response_class = MyResponse

    @route(app, kind)
    async def view() -> str:
        connection: Any = request if kind == "request" else websocket
        return str(connection.mine)

    client = exchange(app, kind)

    assert client.text == f"my {kind}"
    assert client.headers["Content-Type"].startswith("text/x-mine")


def test_clients_may_be_of_another_class(app: Quart) -> None:
    class MyClient(QuartClient):
        pass

    class MyTestApp(TestApp):
        pass

    assert type(app.test_client()) is QuartClient
    app.test_client_class, app.test_app_class = MyClient, MyTestApp
    assert type(app.test_client()) is MyClient
    assert type(app.test_app()) is MyTestApp


def test_the_json_provider_is_the_applications(app: Quart) -> None:
    class Provider(app.json_provider_class):  # type: ignore[name-defined,misc]
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return "mine"

    app.json = Provider(app)
    app.add_url_rule("/", "view", lambda: {"a": 1})

    assert exchange(app, "request").text.strip() == "mine"


# --- How functions are called


def test_ensure_async_leaves_async_functions_as_they_are(app: Quart) -> None:
    async def func() -> None: ...

    assert app.ensure_async(func) is func


def test_ensure_async_runs_plain_functions_in_a_thread(app: Quart) -> None:
    def func(a: int, *, b: int) -> Any:
        """Say where."""
        return a + b, threading.get_ident()

    async def main() -> Any:
        return await app.ensure_async(func)(1, b=2)

    result, thread = run(main())

    assert result == 3
    assert thread != threading.get_ident()
    assert app.ensure_async(func).__doc__ == "Say where."


def test_ensure_async_knows_an_async_function_in_disguise(app: Quart) -> None:
    async def func(*args: Any) -> Any:
        return threading.get_ident()

    class View:
        async def __call__(self) -> Any:
            return await func()

        async def method(self) -> Any:
            return await func()

    def decorated(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(*args: Any) -> Any:
            return f(*args)

        return wrapper

    async def main() -> None:
        for disguised in (functools.partial(func, 1), View(), View().method, decorated(func)):
            result = await app.ensure_async(disguised)()
            if asyncio.iscoroutine(result):
                result = await result
            assert isinstance(result, int)

    run(main())


@pytest.mark.parametrize("disguise", ["partial", "callable", "method", "decorated"])
def test_a_view_may_be_an_async_function_in_disguise(app: Quart, kind: str, disguise: str) -> None:
    async def func() -> str:
        return f"on the loop: {threading.current_thread() is threading.main_thread()}"

    class View:
        async def __call__(self) -> str:
            return await func()

    def decorated(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

        return wrapper

    views = {
        "partial": functools.partial(func),
        "callable": View(),
        "method": View().__call__,
        "decorated": decorated(func),
    }
    add: Any = app.add_url_rule if kind == "request" else app.add_websocket
    add("/", "view", views[disguise])

    assert exchange(app, kind).text == "on the loop: True"


def test_sync_to_async_may_be_replaced(app: Quart) -> None:
    """An extension may decide where plain functions run."""
    called: list[str] = []

    def sync_to_async(func: Any) -> Any:
        async def direct(*args: Any) -> Any:
            called.append(func.__name__)
            return func(*args)

        return direct

    app.sync_to_async = sync_to_async  # type: ignore[assignment]

    def func() -> int:
        return 1

    assert run(app.ensure_async(func)()) == 1
    assert called == ["func"]


# --- URLs


@pytest.fixture
def urls(app: Quart) -> Quart:
    async def view(**values: Any) -> str:
        return ""

    app.add_url_rule("/", "index", view)
    app.add_url_rule("/<int:number>", "number", view, methods=["GET", "POST"])
    app.add_websocket("/ws", "ws", view)
    blueprint = Blueprint("bp", __name__, url_prefix="/bp")
    blueprint.add_url_rule("/", "index", view)
    app.register_blueprint(blueprint)
    return app


@pytest.mark.parametrize(
    ("endpoint", "values", "expected"),
    [
        ("index", {}, "/"),
        ("number", {"number": 3}, "/3"),
        ("number", {"number": 3, "q": "a b"}, "/3?q=a+b"),
        ("index", {"_anchor": "x y"}, "/#x%20y"),
        ("index", {"_external": True}, "http://localhost/"),
        ("index", {"_external": True, "_scheme": "https"}, "https://localhost/"),
        ("index", {"_scheme": "https"}, "https://localhost/"),
        ("number", {"number": 3, "_method": "POST"}, "/3"),
        ("ws", {}, "ws://localhost/ws"),
        ("bp.index", {}, "/bp/"),
        (".index", {}, "/"),
        ("index", {"self": "x"}, "/?self=x"),
    ],
)
def test_url_for(urls: Quart, endpoint: str, values: dict[str, Any], expected: str) -> None:
    with urls.test_request_context("/"):
        assert url_for(endpoint, **values) == expected
        assert urls.url_for(endpoint, **values) == expected


def test_url_for_is_relative_to_the_blueprint(urls: Quart) -> None:
    with urls.test_request_context("/bp/"):
        assert url_for(".index") == "/bp/"
        assert url_for("index") == "/"


def test_url_for_outside_of_a_request_needs_a_server_name(urls: Quart) -> None:
    with urls.app_context(), pytest.raises(RuntimeError, match="SERVER_NAME"):
        url_for("index")
    urls.config["SERVER_NAME"] = "example.org"
    with urls.app_context():
        assert url_for("index") == "http://example.org/"
        assert url_for("index", _external=False) == "/"
    assert urls.url_for("index") == "http://example.org/"
    urls.config["PREFER_SECURE_URLS"] = True
    with urls.app_context():
        assert url_for("index") == "https://example.org/"


def test_url_for_refuses_a_scheme_without_a_host(urls: Quart) -> None:
    with urls.test_request_context("/"), pytest.raises(ValueError, match="_external"):
        url_for("index", _scheme="https", _external=False)


def test_what_cannot_be_built_goes_to_the_handlers(urls: Quart) -> None:
    with urls.test_request_context("/"), pytest.raises(BuildError, match="nowhere"):
        url_for("nowhere")

    def handler(error: Exception, endpoint: str, values: dict[str, Any]) -> str:
        return f"/{endpoint}/{values['a']}/{values['_external']}"

    urls.url_build_error_handlers.append(handler)

    with urls.test_request_context("/"):
        assert url_for("nowhere", a=1, _external=True) == "/nowhere/1/True"


def test_url_defaults_are_injected(urls: Quart) -> None:
    @urls.url_defaults
    def add(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", "de")

    with urls.test_request_context("/"):
        assert url_for("index") == "/?lang=de"


# --- Templates


def test_context_processors_may_be_async_or_plain(app: Quart, colour: str) -> None:
    def plain() -> dict[str, str]:
        return {"a": "processor", "b": "processor"}

    async def asynchronous() -> dict[str, str]:
        await asyncio.sleep(0)
        return plain()

    app.context_processor(plain if colour == "plain" else asynchronous)

    @app.route("/")
    async def view() -> str:
        return await render_template_string("{{ a }} {{ b }}", b="given")

    assert exchange(app, "request").text == "processor given"


def test_templates_know_the_globals(app: Quart, kind: str) -> None:
    app.config["ANSWER"] = 42

    @route(app, kind, "/here")
    async def view() -> str:
        g.name = "ada"
        session["x"] = 1
        source = "{{ config.ANSWER }} {{ g.name }} {{ session.x }} {{ PROXY.path }}"
        source += " {{ get_flashed_messages() }}"
        return await render_template_string(source.replace("PROXY", kind))

    assert exchange(app, kind, "/here").text == "42 ada 1 /here []"


def test_the_environment_is_made_with_the_options(app: Quart) -> None:
    app.jinja_options = {"trim_blocks": True}
    app.config["TEMPLATES_AUTO_RELOAD"] = True

    assert app.jinja_env.trim_blocks
    assert app.jinja_env.auto_reload
    assert app.jinja_env.is_async


def test_filters_and_tests_may_be_registered(app: Quart) -> None:
    @app.template_filter()
    def double(value: int) -> int:
        return value * 2

    @app.template_test("even_number")
    def is_even(value: int) -> bool:
        return value % 2 == 0

    @app.template_global()
    def answer() -> int:
        return 42

    async def main() -> str:
        async with app.app_context():
            source = "{{ 2 | double }} {{ 2 is even_number }} {{ answer() }}"
            return await render_template_string(source)

    assert run(main()) == "4 True 42"


# --- Files, flashes, the shell


def test_resources_of_the_instance_folder(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    app = Quart("app", instance_path=str(tmp_path))

    async def main() -> bytes:
        async with await app.open_instance_resource("a.txt") as file:
            return await file.read()  # type: ignore[no-any-return]

    assert run(main()) == b"content"


@pytest.mark.parametrize(
    ("value", "expected"), [(None, None), (60, 60), (timedelta(hours=1), 3600)]
)
def test_the_age_of_files_is_configured(app: Quart, value: Any, expected: int | None) -> None:
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = value

    with app.app_context():
        assert app.get_send_file_max_age("x") == expected


def test_flashes_last_until_they_are_read(app: Quart) -> None:
    @app.route("/set")
    async def set_flash() -> str:
        await flash("hello", "info")
        return ""

    @app.route("/get")
    async def get_flashes() -> str:
        return str(get_flashed_messages(with_categories=True))

    async def main() -> list[str]:
        client = app.test_client()
        await client.get("/set")
        return [await (await client.get("/get")).get_data(as_text=True) for _ in range(2)]

    assert run(main()) == ["[('info', 'hello')]", "[]"]


def test_a_shell_starts_with_the_application(app: Quart) -> None:
    app.shell_context_processor(lambda: {"answer": 42})

    context = app.make_shell_context()

    assert context["app"] is app
    assert context["answer"] == 42


def test_the_logger_has_the_applications_name(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        app.logger.info("logged")

    (record,) = caplog.records
    assert record.name == app.name


def test_a_debug_page_is_a_500(app: Quart) -> None:
    async def main() -> Response:
        async with app.app_context():
            try:
                raise ValueError("shown")
            except ValueError as error:
                return await traceback_response(error)

    response = run(main())

    assert response.status_code == 500


# --- Requests one after the other, and at once


def test_many_requests_at_once_keep_their_contexts_apart(app: Quart, colour: str) -> None:
    app.config["SYNC_THREADS"] = 3

    def plain(number: int) -> str:
        g.number = number
        assert request.view_args == {"number": number}
        assert current_app.name == app.name
        return str(g.number)

    async def asynchronous(number: int) -> str:
        g.number = number
        await asyncio.sleep(0)
        return plain(number)

    app.add_url_rule("/<int:number>", "view", plain if colour == "plain" else asynchronous)

    async def main() -> list[str]:
        client = app.test_client()

        async def one(number: int) -> str:
            response = await client.get(f"/{number}")
            return await response.get_data(as_text=True)

        return await asyncio.gather(*map(one, range(30)))

    assert run(main()) == [str(number) for number in range(30)]


def test_a_request_within_a_request_has_its_own_context(app: Quart) -> None:
    @app.route("/outer")
    async def outer() -> str:
        g.name = "outer"
        client = app.test_client()
        inner = await (await client.get("/inner")).get_data(as_text=True)
        return f"{inner} in {request.path}"

    @app.route("/inner")
    async def inner() -> str:
        return request.path

    assert exchange(app, "request", "/outer").text == "/inner in /outer"


def test_middleware_may_hold_a_context_around_a_request(app: Quart, kind: str) -> None:
    """What it left in g is there in the request, as the contexts are of one application."""
    inner = app.asgi_app

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async with app.app_context():
            g.name = "middleware"
            await inner(scope, receive, send)

    app.asgi_app = middleware  # type: ignore[method-assign]

    @route(app, kind)
    async def view() -> str:
        return str(g.name)

    assert exchange(app, kind).text == "middleware"
    assert _cv_app.get(None) is None


def test_a_client_made_in_a_serving_test_app_finds_what_startup_left(app: Quart) -> None:
    @app.while_serving
    async def serving() -> AsyncIterator[None]:
        app.config["DATABASE"] = "open"
        yield
        app.config["DATABASE"] = "closed"

    app.add_url_rule("/", "view", lambda: current_app.config["DATABASE"])

    async def main() -> str:
        async with app.test_app() as served:
            response = await served.test_client().get("/")
            return await response.get_data(as_text=True)

    assert run(main()) == "open"
    assert app.config["DATABASE"] == "closed"


def test_a_mark_on_the_method_for_static_files_is_seen_on_their_view() -> None:
    """An extension keeps them out of a schema that way."""
    app = Quart(__name__, static_folder="static")
    function: Any = app.send_static_file.__func__  # type: ignore[attr-defined]  # a bound method
    function.is_hidden = True
    try:
        assert getattr(app.view_functions["static"], "is_hidden", False)
        assert function.is_hidden
    finally:
        del app.view_functions["static"].__dict__["is_hidden"]
