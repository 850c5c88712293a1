"""Websockets that end before they have begun: in a hook, or by a mistake in the view."""

from __future__ import annotations

from typing import Any

import pytest

from quart import abort, Blueprint, Quart, Response, websocket as current

from .driver import run, websocket


@pytest.fixture
def app() -> Quart:
    return Quart("endings")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "endings"]


# In a hook


@pytest.mark.parametrize("scope", ["application", "blueprint"])
@pytest.mark.parametrize("accepts", [False, True])
def test_a_hook_that_closes_ends_it(
    app: Quart, caplog: pytest.LogCaptureFixture, scope: str, accepts: bool
) -> None:
    ran: list[str] = []
    blueprint = Blueprint("bp", __name__)

    async def guard() -> None:
        if accepts:
            await current.accept()
        await current.close(4003)

    (app if scope == "application" else blueprint).before_websocket(guard)
    blueprint.before_websocket(lambda: ran.append("next hook"))
    blueprint.add_websocket("/", "ws", lambda: ran.append("view"))
    app.after_websocket(lambda response: ran.append("after"))
    app.teardown_websocket(lambda error: ran.append("teardown"))
    app.register_blueprint(blueprint)
    client = run(websocket(app))
    assert client.types == ["websocket.accept"] * accepts + ["websocket.close"]
    assert client.close_code == 4003
    assert ran == ["after", "teardown"]
    assert logged(caplog) == []


def test_a_hook_may_accept_and_leave_the_rest_to_the_view(app: Quart) -> None:
    @app.before_websocket
    async def greet() -> None:
        await current.send("hello")

    @app.websocket("/")
    async def view() -> None:
        await current.send("world")

    assert run(websocket(app)).frames == ["hello", "world"]


# In a view


def test_a_view_that_never_accepts_is_named(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    @app.websocket("/")
    async def view() -> None:
        pass

    client = run(websocket(app))
    assert client.status == 500
    (line,) = logged(caplog)
    assert line.startswith("The websocket view 'view' ended without accepting the websocket")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("is_async", [True, False])
def test_a_forgotten_await_is_named(
    app: Quart, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    def view() -> None:
        current.send("hi")  # type: ignore[unused-coroutine]  # that is what is forgotten

    async def async_view() -> None:
        view()

    blueprint = Blueprint("bp", __name__)
    blueprint.add_websocket("/", "ws", async_view if is_async else view)
    app.register_blueprint(blueprint)
    assert run(websocket(app)).status == 500
    (line,) = logged(caplog)
    assert line.startswith("The websocket view 'bp.ws' ended")
    assert "`await`" in line


def test_the_applications_page_for_errors_is_shown_for_it(app: Quart) -> None:
    app.register_error_handler(500, lambda error: ("ours", 500))
    app.add_websocket("/", "ws", lambda: None)
    assert run(websocket(app)).text == "ours"
    assert run(websocket(app, extensions={})).types == ["websocket.close"]


def test_tests_see_it_as_a_client_does(app: Quart) -> None:
    app.testing = True
    app.add_websocket("/", "ws", lambda: None)
    assert run(websocket(app)).status == 500


@pytest.mark.parametrize("value", ["no", b"no", {"a": 1}, [1]])
def test_data_that_nobody_accepted_is_warned_of(
    app: Quart, caplog: pytest.LogCaptureFixture, value: Any
) -> None:
    app.add_websocket("/", "ws", lambda: value)
    assert run(websocket(app)).status == 200
    (line,) = logged(caplog)
    assert f"'ws' returned {type(value).__name__} without accepting" in line


def test_data_returned_to_an_open_websocket_is_warned_of(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    @app.websocket("/")
    async def view() -> str:
        await current.accept()
        return "too late"

    assert run(websocket(app)).close_code == 1011
    (line,) = logged(caplog)
    assert "'view' returned str from a websocket that is open" in line


@pytest.mark.parametrize("ending", ["refuse", "abort", "respond", "close", "talk", "close, return"])
def test_what_is_right_is_not_logged(
    app: Quart, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    @app.websocket("/")
    async def view() -> Any:
        match ending:
            case "refuse":
                return "no", 403
            case "abort":
                abort(403)
            case "respond":
                return Response("no", 302, {"Location": "/"})
            case "talk":
                await current.send("hi")
            case _:
                await current.close()
        return "nobody sees this" if ending == "close, return" else None

    run(websocket(app))
    assert logged(caplog) == []


def test_a_path_without_a_view_is_not_logged(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    assert run(websocket(app, "/nowhere")).status == 404
    assert logged(caplog) == []
