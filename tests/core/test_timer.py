"""The timer that all requests of an event loop share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from quart._loops.timer import Alarm, alarm_of_loop

from .driver import run

who: ContextVar[str] = ContextVar("who", default="nobody")
SOON = 0.01


class Bell:
    """Notes who heard it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def adder(self, name: str) -> Callable[[], None]:
        return lambda: self.heard.append(f"{name} as {who.get()}")


@pytest.fixture
def bell() -> Bell:
    return Bell()


async def rung() -> None:
    """Wait until all that were added before now have been called."""
    called = asyncio.Event()
    alarm_of_loop().add(called.set, SOON)
    await called.wait()


def test_each_is_called_once_in_order_and_in_its_own_context(bell: Bell) -> None:
    async def add(name: str) -> None:
        who.set(name)
        alarm_of_loop().add(bell.adder(name), SOON)

    async def both() -> None:
        await asyncio.gather(add("a"), add("b"))
        await rung()

    run(both())
    assert bell.heard == ["a as a", "b as b"]


def test_who_is_removed_is_not_called(bell: Bell) -> None:
    async def add() -> None:
        alarm, late = alarm_of_loop(), bell.adder("late")
        alarm.add(late, SOON)
        alarm.remove(late)
        alarm.remove(late)
        alarm.add(bell.adder("left"), SOON)
        await rung()

    run(add())
    assert bell.heard == ["left as nobody"]


def test_one_may_remove_another_that_is_due(bell: Bell) -> None:
    async def add() -> None:
        alarm, second = alarm_of_loop(), bell.adder("second")
        alarm.add(lambda: alarm.remove(second), SOON)
        alarm.add(second, SOON)
        await rung()

    run(add())
    assert bell.heard == []


def test_it_is_set_again_for_who_came_later(bell: Bell) -> None:
    async def add() -> None:
        alarm = alarm_of_loop()
        alarm.add(bell.adder("first"), SOON)
        await asyncio.sleep(SOON / 2)  # It is due while the next one is not yet.
        alarm.add(bell.adder("second"), SOON)
        await rung()
        alarm.add(bell.adder("third"), SOON)
        await rung()

    run(add())
    assert bell.heard == ["first as nobody", "second as nobody", "third as nobody"]


def test_an_error_of_one_is_reported_and_keeps_nobody_else_waiting(bell: Bell) -> None:
    reported: list[Any] = []

    def fail() -> None:
        raise ValueError("no")

    async def add() -> None:
        loop, alarm = asyncio.get_running_loop(), alarm_of_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
        alarm.add(fail, SOON)
        alarm.add(bell.adder("next"), SOON)
        await rung()

    run(add())
    assert [str(error) for error in reported] == ["no"]
    assert bell.heard == ["next as nobody"]


def test_each_loop_has_its_own() -> None:
    async def own() -> Alarm:
        assert alarm_of_loop() is alarm_of_loop()
        return alarm_of_loop()

    found: list[Alarm] = [run(own()), run(own())]
    thread = threading.Thread(target=lambda: found.append(run(own())))
    thread.start()
    thread.join()
    assert len(set(map(id, found))) == 3
