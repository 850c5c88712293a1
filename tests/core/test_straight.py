"""The straight way beside the usual one, in the core alone."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest

from _patches import patched, WAYS
from _straight import Events, forget_receivers, RESULTS, seen, serve
from quart import Quart, Response
from quart._handling import plan
from quart.wrappers.response import DataBody

from .driver import Client, request, run


@pytest.fixture(autouse=True)
def no_receivers() -> None:
    forget_receivers()


def making(result: Any, is_async: bool) -> Any:
    def make(events: Events) -> Quart:
        app = Quart("straight")

        def view() -> Any:
            return result(app)

        async def async_view() -> Any:
            return result(app)

        app.add_url_rule("/view", "view", async_view if is_async else view)
        return app

    return make


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("result", RESULTS)
def test_each_result_is_answered_alike(result: str, is_async: bool) -> None:
    ours, usual = seen(making(RESULTS[result], is_async))
    assert ours == usual


PATCHED = [(Response, "__init__"), (Response, "close"), (Response, "set_data")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("owner", "name"), [*PATCHED, (DataBody, "__init__")])
def test_a_response_class_that_is_patched_later_is_used(owner: Any, name: str, way: str) -> None:
    app = making(RESULTS["text"], is_async=True)([])
    assert serve(app).text == "text"
    with (
        patched(owner, name, way) as calls,
        mock.patch.object(plan.straight, "is_straight", return_value=False),
    ):
        usual_app = making(RESULTS["text"], is_async=True)([])
        assert serve(usual_app).text == "text"
        usual = list(calls)
    with patched(owner, name, way) as calls:
        assert serve(app).text == "text"
    assert calls == usual


@pytest.mark.parametrize("is_straight", [True, False])
def test_a_view_that_is_cancelled_is_torn_down(is_straight: bool) -> None:
    app, events, began = Quart("straight"), [], asyncio.Event()

    @app.route("/")
    async def view() -> str:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            events.append("left")
        return ""

    @app.teardown_appcontext
    async def tear_down(error: BaseException | None) -> None:
        await asyncio.sleep(0)
        events.append(type(error))

    async def cancel() -> Any:
        task = asyncio.create_task(request(app))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    if is_straight:
        run(cancel())
    else:
        with mock.patch.object(plan.straight, "is_straight", return_value=False):
            run(cancel())
    assert events == ["left", asyncio.CancelledError]


def test_a_server_that_pushes_is_answered() -> None:
    app = making(RESULTS["text"], is_async=True)([])
    sent: Client = run(request(app, "/view", extensions={"http.response.push": {}}))
    assert sent.text == "text"


def test_it_makes_no_response() -> None:
    app = making(RESULTS["dict"], is_async=True)([])

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a response was made")

    with mock.patch("quart._handling.pipeline.finalize", never):
        assert serve(app).json == {"a": [None, "\xe4", 1.5], "b": 1}


def test_a_connection_that_shares_its_context_gets_a_response() -> None:
    app = making(RESULTS["text"], is_async=True)([])
    finalized = []

    class Middleware:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, *args: Any) -> None:
            await self.inner(*args)

    app.asgi_app = Middleware(app.asgi_app)  # type: ignore[method-assign]  # as its documentation says
    client: Client = run(request(app, "/view"))
    finalized.append(client.text)
    assert finalized == ["text"]
