"""What is no Exception ends the connection that raised it, and neither the server nor another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import product
from typing import Any, NoReturn

import pytest
from greenlet import GreenletExit

from quart import Quart
from quart._threads.pool import pool_of
from quart.signals import got_background_exception

from .driver import Client, connect, exchange, hook, route, run, scope_for


class TimeIsUpError(BaseException):
    """Libraries for time limits raise such an error, so that no `except Exception` catches it."""


class SeveralError(BaseExceptionGroup[BaseException]):
    def __new__(cls) -> SeveralError:
        return super().__new__(cls, "several", [TimeIsUpError()])


FOREIGN = [TimeIsUpError, SeveralError]
FROM_OUTSIDE = [KeyboardInterrupt, GeneratorExit, GreenletExit]
FIRST = {"request": {"type": "http.request"}, "websocket": {"type": "websocket.connect"}}


def raising(error: type[BaseException], colour: str) -> Callable[..., object]:
    def plain(*args: object) -> NoReturn:
        raise error()

    async def asynchronous(*args: object) -> NoReturn:
        raise error()

    return plain if colour == "plain" else asynchronous


def arrangement(kind: str) -> tuple[dict[str, Any], Client]:
    return scope_for("http" if kind == "request" else kind), Client(FIRST[kind])


@pytest.mark.parametrize("kind", ["request", "websocket"])
@pytest.mark.parametrize("place", ["view", "before", "teardown"])
@pytest.mark.parametrize(
    ("error", "colour"),
    [*product(FOREIGN, ["plain", "async"]), *product(FROM_OUTSIDE, ["plain"])],
)
def test_it_reaches_the_server_as_an_error_of_the_application(
    app: Quart, kind: str, place: str, error: type[BaseException], colour: str
) -> None:
    torn_down: list[object] = []
    app.teardown_appcontext(torn_down.append)
    function = raising(error, colour)
    if place != "view":
        hook(app, place, kind)(function)
    route(app, kind)(function)

    with pytest.raises(RuntimeError, match=rf"got {error.__name__}, which could") as raised:
        run(connect(app, *arrangement(kind)))

    assert type(raised.value.__cause__) is error
    assert len(torn_down) == 1
    assert pool_of(app).busy == 0
    app.testing = True
    with pytest.raises(error):
        run(connect(app, *arrangement(kind)))


@pytest.mark.parametrize("error", FROM_OUTSIDE)
def test_on_the_loops_own_thread_it_may_be_python_that_ends_the_code(
    app: Quart, error: type[BaseException]
) -> None:
    app.route("/")(raising(error, "async"))

    async def main() -> None:
        with pytest.raises(error):
            await connect(app, *arrangement("request"))

    run(main())


def test_a_cancellation_that_is_not_of_the_task_is_not_lost(app: Quart) -> None:
    app.teardown_request(raising(asyncio.CancelledError, "async"))
    with pytest.raises(RuntimeError, match="got CancelledError, which could"):
        exchange(app, "request")


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("error", [SystemExit, TimeIsUpError, asyncio.CancelledError])
def test_in_a_background_task_it_is_reported(
    app: Quart, error: type[BaseException], colour: str
) -> None:
    seen: list[BaseException | None] = []

    def receive(sender: object, exception: Exception) -> None:
        seen.append(exception.__cause__)

    async def main() -> None:
        app.add_background_task(raising(error, colour))
        await app.shutdown()

    with got_background_exception.connected_to(receive, app):
        run(main())
    assert [type(each) for each in seen] == [error]


async def lifespan(app: Quart) -> list[str]:
    client = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await connect(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, client)
    return client.types


ANY = [*FOREIGN, SystemExit, KeyboardInterrupt, GreenletExit, asyncio.CancelledError]


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("error", ANY)
def test_a_start_fails_by_it(app: Quart, error: type[BaseException], colour: str) -> None:
    """A server that sees the error itself may go on, and serve what has not been started."""
    log: list[str] = []

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log.append("left")

    @app.while_serving
    async def fails() -> AsyncIterator[None]:
        await app.ensure_async(raising(error, colour))()
        yield

    assert run(lifespan(app)) == ["lifespan.startup.failed"]
    assert log == ["left"]


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("error", ANY)
def test_what_else_is_to_be_ended_is_ended_in_spite_of_it(
    app: Quart, error: type[BaseException], colour: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    def ending(name: str) -> Callable[[], AsyncIterator[None]]:
        async def generate() -> AsyncIterator[None]:
            yield
            log.append(name)
            await app.ensure_async(raising(error, colour))()

        return generate

    for name in "outer", "inner":
        app.while_serving(ending(name))
    app.after_serving(raising(error, colour))
    app.after_serving(lambda: log.append("last"))

    assert run(lifespan(app)) == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert log == ["inner", "outer", "last"]
    told = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert told == [error] * 3
