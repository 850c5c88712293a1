"""Each stage is a public method that a subclass, or an extension at run time, may replace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from _patches import patched, WAYS
from quart import abort, Quart, Response
from quart._kind import Kind
from quart.ctx import AppContext
from quart.globals import app_ctx

from .driver import exchange, KINDS, route

# What a connection whose view fails goes through, and what only some do.
STAGES = (
    *("full_dispatch", "preprocess", "dispatch", "finalize", "process", "do_teardown"),
    *("handle", "handle_exception", "handle_user_exception", "handle_http_exception"),
    *("do_teardown_appcontext", "make_response"),
)


def method_of(kind: str, stage: str) -> str:
    """Return the name of the public method of *stage*."""
    value: Kind = KINDS[kind]
    return str(getattr(value, stage, stage))


def prepared(app: Quart, kind: str, stage: str) -> Quart:
    """Give *app* a view of which *stage* is a part."""

    @route(app, kind)
    async def view() -> str:
        if stage in {"handle_exception", "handle_user_exception"}:
            raise ValueError
        if stage == "handle_http_exception":
            abort(403)
        return "ok"

    app.register_error_handler(500, lambda error: ("ok", 500))
    app.register_error_handler(403, lambda error: ("ok", 403))
    return app


def overriding(original: Callable[..., Any], log: list[str], colour: str) -> Callable[..., Any]:
    """Return a function that calls *original*, either awaiting it or passing the awaitable on."""

    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        log.append("overridden")
        return await original(*args, **kwargs)

    def plain(*args: Any, **kwargs: Any) -> Any:
        log.append("overridden")
        return original(*args, **kwargs)

    return plain if colour == "plain" else asynchronous


@pytest.mark.parametrize("stage", STAGES)
def test_a_subclass_may_override_any_step(
    kind: str, stage: str, colour: str, log: list[str]
) -> None:
    name = method_of(kind, stage)
    method = overriding(getattr(Quart, name), log, colour)
    app = prepared(type("Sub", (Quart,), {name: method})(__name__), kind, stage)

    client = exchange(app, kind)

    assert log == ["overridden"]
    assert client.text == "ok"


@pytest.mark.parametrize("stage", STAGES)
def test_an_instance_may_have_any_step_replaced_while_it_serves(
    app: Quart, kind: str, stage: str, colour: str, log: list[str]
) -> None:
    prepared(app, kind, stage)
    exchange(app, kind)
    name = method_of(kind, stage)

    setattr(app, name, overriding(getattr(app, name), log, colour))
    first = exchange(app, kind).text
    delattr(app, name)
    exchange(app, kind)

    assert first == "ok"
    assert log == ["overridden"]


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_class_may_be_patched(app: Quart, kind: str, stage: str, way: str, served: bool) -> None:
    """Before the first connection, and after it."""
    prepared(app, kind, stage)
    if served:
        exchange(app, kind)

    with patched(Quart, method_of(kind, stage), way) as calls:
        assert exchange(app, kind).text == "ok"

    assert calls == [method_of(kind, stage)]
    assert exchange(app, kind).text == "ok"
    assert len(calls) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_class_that_is_mixed_in_may_be_patched(kind: str, way: str) -> None:
    name = method_of(kind, "dispatch")

    class Mixin:
        pass

    class Mixed(Mixin, Quart):
        pass

    def inherited(self: Any) -> Any:
        return getattr(super(Mixin, self), name)()

    app = prepared(Mixed(__name__), kind, "dispatch")
    exchange(app, kind)
    setattr(Mixin, name, inherited)
    exchange(app, kind)

    with patched(Mixin, name, way) as calls:
        assert exchange(app, kind).text == "ok"

    assert calls == [name]


def test_an_instance_may_become_another_class(app: Quart, kind: str, log: list[str]) -> None:
    prepared(app, kind, "dispatch")
    exchange(app, kind)
    name = method_of(kind, "dispatch")

    app.__class__ = type("Sub", (Quart,), {name: overriding(getattr(Quart, name), log, "async")})

    assert exchange(app, kind).text == "ok"
    assert log == ["overridden"]


@pytest.mark.parametrize("stage", sorted({*STAGES} - {"handle", "make_response"}))
def test_an_override_may_pass_the_context_first(
    app: Quart, kind: str, stage: str, log: list[str]
) -> None:
    prepared(app, kind, stage)
    name = method_of(kind, stage)
    original = getattr(app, name)

    async def override(*args: Any) -> Any:
        log.append("overridden")
        return await original(app_ctx._get_current_object(), *args)  # type: ignore[attr-defined]

    setattr(app, name, override)

    assert exchange(app, kind).text == "ok"
    assert log == ["overridden"]


@pytest.mark.parametrize(
    ("stage", "value"),
    [
        ("preprocess", "ok"),
        ("dispatch", "ok"),
        ("full_dispatch", Response("ok")),
        ("finalize", Response("ok")),
        ("process", Response("ok")),
        ("handle", Response("ok")),
        ("make_response", Response("ok")),
    ],
)
def test_a_plain_override_may_return_a_value(app: Quart, kind: str, stage: str, value: Any) -> None:
    route(app, kind)(lambda: "view")
    setattr(app, method_of(kind, stage), lambda *args: value)

    assert exchange(app, kind).text == "ok"


def test_options_may_be_overridden(app: Quart, log: list[str]) -> None:
    app.add_url_rule("/", view_func=lambda: "ok", endpoint="view")
    original = app.make_default_options_response
    setattr(app, "make_default_options_response", overriding(original, log, "plain"))  # noqa: B010

    assert exchange(app, "request", method="OPTIONS").status == 200
    assert log == ["overridden"]


@pytest.mark.parametrize("with_context", [False, True])
def test_log_exception_may_be_overridden(
    app: Quart, kind: str, with_context: bool, log: list[str]
) -> None:
    async def log_exception(exc_info: Any) -> None:
        log.append(exc_info[0].__name__)

    async def log_with_context(ctx: AppContext, exc_info: Any) -> None:
        assert ctx is app_ctx._get_current_object()  # type: ignore[attr-defined]
        await log_exception(exc_info)

    app.log_exception = log_with_context if with_context else log_exception  # type: ignore[assignment]

    prepared(app, kind, "handle_exception")

    assert exchange(app, kind).status == 500
    assert log == ["ValueError"]


def test_the_steps_can_be_called_directly_with_and_without_a_context(app: Quart) -> None:
    @app.route("/")
    async def view() -> str:
        return "ok"

    @app.after_request
    async def after(response: Response) -> Response:
        response.headers["X-After"] = "1"
        return response

    async def main() -> None:
        async with app.test_request_context("/") as ctx:
            assert await app.preprocess_request() is None
            assert await app.dispatch_request() == "ok"
            response = await app.process_response(await app.make_response("x"))
            assert response.headers["X-After"] == "1"
            assert (await app.full_dispatch_request()).status_code == 200
            assert (await app.finalize_request("y")).headers["X-After"] == "1"
        assert isinstance(ctx, AppContext)
        other = app.test_request_context("/")
        other.match_request()
        # Without being pushed: the context is what is given.
        assert await app.dispatch_request(other) == "ok"
        assert (await app.full_dispatch_request(ctx=other)).status_code == 200

    asyncio.run(main())


def test_a_step_without_a_context_says_what_to_do(app: Quart) -> None:
    with pytest.raises(RuntimeError, match="test_request_context"):
        asyncio.run(app.dispatch_request())
