"""What views and templates call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.exceptions import BadRequest, ImATeapot, NotFound

from quart import (
    abort,
    Blueprint,
    flash,
    g,
    get_flashed_messages,
    make_push_promise,
    make_response,
    message_flashed,
    Quart,
    redirect,
    request,
    Response,
    session,
    stream_with_context,
    url_for,
)
from quart._flask import HAS_ONE_CONTEXT, REDIRECT
from quart.globals import _cv_app
from quart.helpers import find_package, get_debug_flag, get_load_dotenv, get_root_path


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.secret_key = "k"
    app.testing = True
    return app


async def get_text(app: Quart, path: str = "/", client: Any = None, **options: Any) -> str:
    response = await (client or app.test_client()).open(path, **options)
    return str(await response.get_data(as_text=True))


def get(app: Quart, path: str = "/", **options: Any) -> str:
    return asyncio.run(get_text(app, path, **options))


def in_request(app: Quart, function: Any, path: str = "/") -> Any:
    async def main() -> Any:
        async with app.test_request_context(path):
            return function()

    return asyncio.run(main())


# The environment


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", False), ("0", False), ("False", False), ("no", False), ("1", True), ("yes", True)],
)
def test_flags_of_the_environment(
    value: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUART_DEBUG", value)
    monkeypatch.setenv("QUART_SKIP_DOTENV", value)
    assert get_debug_flag() is expected
    assert get_load_dotenv() is not expected
    assert get_load_dotenv(False) is (not expected and bool(value))


def test_flags_that_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUART_DEBUG", raising=False)
    monkeypatch.delenv("QUART_SKIP_DOTENV", raising=False)
    assert get_debug_flag() is False
    assert get_load_dotenv() is True
    assert get_load_dotenv(False) is False


def test_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_package_here"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_package("some_package_here") == (None, tmp_path)
    assert get_root_path("some_package_here") == str(package)
    prefix, folder = find_package("pytest")
    assert prefix == Path(sys.prefix)
    assert folder.name == "site-packages"


# Responses


@pytest.mark.parametrize(
    ("args", "status", "body"),
    [((), 200, ""), (("a",), 200, "a"), (("a", 201), 201, "a"), ((("a", 202),), 202, "a")],
)
def test_make_response(app: Quart, args: Any, status: int, body: str) -> None:
    async def main() -> None:
        async with app.test_request_context("/"):
            response: Any = await make_response(*args)
            assert response.status_code == status
            assert await response.get_data(as_text=True) == body

    asyncio.run(main())


def test_make_response_with_headers(app: Quart) -> None:
    async def main() -> None:
        async with app.app_context():
            response = await make_response("a", 201, {"X-A": "b"})
            assert isinstance(response, Response)
            assert response.headers["X-A"] == "b"

    asyncio.run(main())


def test_abort(app: Quart) -> None:
    with pytest.raises(NotFound):
        abort(404)

    class Custom(BadRequest):
        code = 499

    app.aborter.mapping[499] = Custom
    with pytest.raises(Custom, match="why"):
        in_request(app, lambda: abort(499, "why"))
    with pytest.raises(ImATeapot):
        in_request(app, lambda: abort(418))


def test_redirect(app: Quart) -> None:
    assert (303 if HAS_ONE_CONTEXT else 302) == REDIRECT
    outside = redirect("/a")
    assert (outside.status_code, outside.location) == (REDIRECT, "/a")

    class OtherApp(Quart):
        def redirect(self, location: str, code: int = 302) -> Any:
            return super().redirect(f"/prefix{location}", code)

    inside = in_request(OtherApp(__name__), lambda: redirect("/a", 303))
    assert (inside.status_code, inside.location) == (303, "/prefix/a")


def test_url_for(app: Quart) -> None:
    blueprint = Blueprint("bp", __name__, url_prefix="/bp")

    @blueprint.route("/here")
    async def here() -> str:
        return url_for(".here", q="a b", _anchor="x")

    @app.route("/item/<int:id>", methods=["GET", "POST"])
    async def item(id: int) -> str:
        return url_for("item", id=id, _external=True, _scheme="https", _method="POST")

    app.register_blueprint(blueprint)
    assert get(app, "/bp/here") == "/bp/here?q=a+b#x"
    assert get(app, "/item/3") == "https://localhost/item/3"


def test_push_promises(app: Quart) -> None:
    @app.route("/")
    async def index() -> str:
        await make_push_promise("/style.css")
        return ""

    async def main() -> Any:
        client = app.test_client()
        await client.get("/", http_version="2")
        return client.push_promises

    assert [path for path, _ in asyncio.run(main())] == ["/style.css"]


# Messages


def test_messages_are_shown_once_by_the_next_page(app: Quart) -> None:
    @app.route("/set")
    async def set_messages() -> str:
        await flash("one")
        await flash("two", "error")
        return ""

    @app.route("/show")
    async def show() -> dict[str, Any]:
        return {
            "all": get_flashed_messages(),
            "categories": get_flashed_messages(with_categories=True),
            "errors": get_flashed_messages(category_filter=["error"]),
        }

    async def main() -> list[Any]:
        client = app.test_client()
        await client.get("/set")
        return [await (await client.get("/show")).get_json() for _ in range(2)]

    first, second = asyncio.run(main())
    assert first == {
        "all": ["one", "two"],
        "categories": [["message", "one"], ["error", "two"]],
        "errors": ["two"],
    }
    assert second == {"all": [], "categories": [], "errors": []}


def test_asking_for_messages_does_not_change_a_session_without_any(app: Quart) -> None:
    def ask() -> bool:
        get_flashed_messages()
        return session.modified

    assert in_request(app, ask) is False


def test_flashing_is_signalled(app: Quart) -> None:
    heard = []

    def receiver(sender: Any, message: str, category: str) -> None:
        heard.append((sender, message, category))

    async def main() -> None:
        async with app.test_request_context("/"):
            await flash("hello", "info")

    with message_flashed.connected_to(receiver):
        asyncio.run(main())
    assert heard == [(app, "hello", "info")]


# Streams


def of_function(generate: Any) -> Any:
    return stream_with_context(generate)()


def of_generator(generate: Any) -> Any:
    return stream_with_context(generate())


async def asynchronous() -> AsyncIterator[str]:
    for _ in range(2):
        await asyncio.sleep(0)
        yield f"{request.path} {g.value} {session['value']};"


def plain() -> Iterator[str]:
    for _ in range(2):
        yield f"{request.path} {g.value} {session['value']};"


@pytest.fixture
def log(app: Quart) -> list[Any]:
    """What the teardown functions of *app* saw."""
    seen: list[Any] = []

    @app.teardown_request
    def teardown_request(error: BaseException | None) -> None:
        seen.append(("request", error))
        g.pop("value", None)

    @app.teardown_appcontext
    async def teardown_appcontext(error: BaseException | None) -> None:
        seen.append(("app", error))

    return seen


DONE: list[Any] = [("request", None), ("app", None)]


@pytest.mark.parametrize("wrap", [of_function, of_generator])
@pytest.mark.parametrize("generate", [asynchronous, plain])
def test_a_stream_has_the_context_until_its_end(
    app: Quart, log: list[Any], wrap: Any, generate: Any
) -> None:
    @app.route("/path")
    async def view() -> Any:
        g.value, session["value"] = "g", "s"
        return wrap(generate)

    async def main() -> str:
        text = await get_text(app, "/path")
        assert _cv_app.get(None) is None
        return text

    assert asyncio.run(main()) == "/path g s;/path g s;"
    assert log == DONE


def test_a_plain_view_streams_too(app: Quart, log: list[Any]) -> None:
    @app.route("/path")
    def view() -> Any:
        g.value, session["value"] = "g", "s"
        return of_generator(plain)

    assert get(app, "/path") == "/path g s;/path g s;"
    assert log == DONE


def test_an_error_in_a_stream_reaches_the_teardown_functions(app: Quart, log: list[Any]) -> None:
    error = LookupError("in the stream")

    @app.route("/")
    async def view() -> Any:
        @stream_with_context
        async def generate() -> AsyncIterator[str]:
            yield "a"
            raise error

        return generate()

    with pytest.raises(LookupError):
        get(app)
    assert log == [("request", error), ("app", error)]


def unused_in_head(stream: Any) -> Any:
    return stream


def unused_as_another_answer_is_given(stream: Any) -> Any:
    return "other"


def unused_as_the_view_aborts(stream: Any) -> Any:
    abort(404)


@pytest.mark.parametrize(
    ("method", "finish"),
    [
        ("HEAD", unused_in_head),
        ("GET", unused_as_another_answer_is_given),
        ("GET", unused_as_the_view_aborts),
    ],
)
def test_a_stream_that_is_not_used_holds_nothing(
    app: Quart, log: list[Any], method: str, finish: Any
) -> None:
    @app.route("/")
    async def view() -> Any:
        g.value = "g"
        return finish(of_generator(asynchronous))

    async def main() -> None:
        await get_text(app, method=method)
        assert _cv_app.get(None) is None

    asyncio.run(main())
    assert log == DONE


def test_a_stream_of_a_view_that_fails_holds_nothing(app: Quart, log: list[Any]) -> None:
    error = LookupError("in the view")

    @app.route("/")
    async def view() -> Any:
        of_generator(asynchronous)
        raise error

    async def main() -> None:
        with pytest.raises(LookupError):
            await get_text(app)
        assert _cv_app.get(None) is None

    asyncio.run(main())
    assert log == [("request", error), ("app", error)]


def test_a_stream_can_be_used_up_within_the_view(app: Quart, log: list[Any]) -> None:
    @app.route("/")
    async def view() -> str:
        g.value, session["value"] = "g", "s"
        pieces = [piece async for piece in of_generator(plain)]
        assert not log
        return "".join([*pieces, g.value])

    assert get(app) == "/ g s;/ g s;g"
    assert log == DONE


def test_a_stream_can_be_used_after_its_context(app: Quart) -> None:
    async def main() -> list[str]:
        async with app.test_request_context("/path"):
            g.value, session["value"] = "g", "s"
            stream = of_function(asynchronous)
        assert _cv_app.get(None) is None
        pieces = [piece async for piece in stream]
        assert _cv_app.get(None) is None
        return pieces

    assert asyncio.run(main()) == ["/path g s;"] * 2


def test_closing_a_stream_early_ends_the_context(app: Quart, log: list[Any]) -> None:
    closed = []

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 1000
                await asyncio.sleep(0)
        finally:
            closed.append(request.path)

    @app.route("/path")
    async def view() -> Any:
        return of_generator(endless)

    async def main() -> None:
        async with app.test_client().request("/path") as connection:
            await connection.send_complete()
            await connection.receive()
            await connection.disconnect()

    asyncio.run(main())
    assert closed == ["/path"]
    assert [name for name, _ in log] == ["request", "app"]


def test_a_stream_needs_a_context() -> None:
    with pytest.raises(RuntimeError, match="got none"):
        of_function(plain)
    with pytest.raises(RuntimeError, match="got none"):
        of_generator(plain)
