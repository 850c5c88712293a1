"""SQLAlchemy beneath async views: a pool that waits, and a warning of what is held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from quart_flask_patch import runs_in, wait

from ._asgi import Exchange, fetch, run, until

sqlalchemy = pytest.importorskip("sqlalchemy")

from quart_flask_patch.contrib.sqlalchemy import WaitingPool  # noqa: E402


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    """An engine with two connections, for which nobody waits longer than a moment."""
    engine = sqlalchemy.create_engine(
        f"sqlite:///{tmp_path}/database",
        poolclass=WaitingPool,
        pool_size=1,
        max_overflow=1,
        pool_timeout=5,
        connect_args={"check_same_thread": False},
    )
    yield engine
    assert engine.pool.checkedout() == 0
    engine.dispose()


def select(connection: Any) -> int:
    return int(connection.execute(sqlalchemy.text("select 1")).scalar())


@pytest.mark.parametrize("runs", ["loop", "own-loop", "thread"])
def test_who_waits_lets_those_that_have_one_go_on(app: Flask, engine: Any, runs: str) -> None:
    @app.get("/")
    @runs_in(runs)
    async def view() -> str:
        with engine.connect() as connection:
            assert select(connection) == 1
            await asyncio.sleep(0.001)
        return ""

    async def main() -> None:
        answers = await asyncio.gather(*[fetch(app, "/") for _ in range(12)])
        assert {answer.status for answer in answers} == {200}

    run(main())


def test_plain_and_async_code_wait_in_one_queue(app: Flask, engine: Any) -> None:
    order: list[str] = []

    def take(name: str) -> str:
        with engine.connect() as connection:
            order.append(name)
            return str(select(connection))

    @app.get("/async/<name>")
    async def async_view(name: str) -> str:
        return take(name)

    @app.get("/plain/<name>")
    def plain_view(name: str) -> str:
        return take(name)

    async def main() -> None:
        held = [engine.connect() for _ in range(2)]
        tasks = []
        for number, kind in enumerate(["async", "plain", "async", "plain"]):
            tasks.append(asyncio.create_task(fetch(app, f"/{kind}/{number}")))
            await until(lambda count=number + 1: len(engine.pool._pool._waiting) == count)
        held[0].close()
        answers = await asyncio.gather(*tasks)
        assert [answer.text for answer in answers] == ["1"] * 4
        held[1].close()

    run(main())
    assert order == ["0", "1", "2", "3"]


def test_outside_of_requests_it_blocks_as_any_pool(engine: Any) -> None:
    held = [engine.connect() for _ in range(2)]
    threading.Timer(0.02, held[0].close).start()
    with engine.connect() as connection:
        assert select(connection) == 1
    held[1].close()


@pytest.mark.parametrize("kind", ["async", "plain", "none"])
def test_nobody_waits_for_ever(app: Flask, engine: Any, kind: str) -> None:
    engine.pool._timeout = 0.02

    def take() -> str:
        with pytest.raises(sqlalchemy.exc.TimeoutError, match="limit of size 1 overflow 1"):
            engine.connect()
        return ""

    async def take_async() -> str:
        return take()

    app.add_url_rule("/", "view", take_async if kind == "async" else take)
    held = [engine.connect() for _ in range(2)]
    if kind == "none":
        take()
    else:
        assert run(fetch(app, "/")).status == 200
    for connection in held:
        connection.close()
    assert not engine.pool._pool._waiting


def test_a_client_that_leaves_waits_no_longer(app: Flask, engine: Any) -> None:
    @app.get("/")
    async def view() -> str:
        with engine.connect():
            return ""

    async def main() -> None:
        held = [engine.connect() for _ in range(2)]
        async with Exchange(app, "/") as exchange:
            exchange.body_arrives()
            await until(lambda: engine.pool._pool._waiting)
            exchange.leave()
            await exchange.end()
        assert not engine.pool._pool._waiting
        for connection in held:
            connection.close()

    run(main())


def test_what_comes_at_the_last_moment_is_not_lost(engine: Any) -> None:
    """It was given a connection in the turn in which it is cancelled."""
    from quart_flask_patch import bridged

    async def main() -> None:
        held = [engine.connect() for _ in range(2)]
        task = asyncio.create_task(bridged(engine.connect)())
        await until(lambda: engine.pool._pool._waiting)
        task.cancel()
        held[0].close()
        with pytest.raises(asyncio.CancelledError):
            await task
        held[1].close()

    run(main())
    assert engine.pool.checkedin() == 1


# The warning


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "checked out" in message]


@pytest.mark.parametrize("key", ["debug", "testing", None])
def test_a_view_that_awaits_with_a_connection_is_told_of(
    app: Flask, engine: Any, caplog: pytest.LogCaptureFixture, key: str | None
) -> None:
    if key is not None:
        setattr(app, key, True)

    @app.get("/")
    async def view() -> str:
        with engine.connect() as connection:
            select(connection)
            await asyncio.sleep(0)
        return ""

    for _ in range(2):
        assert run(fetch(app, "/")).status == 200
    told = warnings(caplog)
    if key is None:
        assert told == []
    else:
        (message,) = told
        assert "The request of 'view' awaits" in message
        assert "with engine.connect() as connection:" in message


@pytest.mark.parametrize("case", ["given back", "own loop", "plain"])
def test_what_holds_nobody_up_is_not_told_of(
    app: Flask, engine: Any, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    app.debug = True

    async def given_back() -> str:
        with engine.connect() as connection:
            select(connection)
        await asyncio.sleep(0)
        return ""

    async def holds() -> str:
        with engine.connect():
            await asyncio.sleep(0)
        return ""

    def plain() -> str:
        with engine.connect():
            wait(asyncio.sleep(0))
        return ""

    views = {"given back": given_back, "own loop": runs_in("own-loop")(holds), "plain": plain}
    app.add_url_rule("/", "view", views[case])
    assert run(fetch(app, "/")).status == 200
    assert warnings(caplog) == []
