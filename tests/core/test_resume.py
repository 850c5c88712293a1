"""Coroutines that are stepped by hand."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextvars import ContextVar, copy_context
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quart._loops.resume import run_in, start, stepped, Suspended, told

from .driver import run

NAME: ContextVar[str] = ContextVar("name", default="outside")


class Future:
    """What a coroutine waits for, if no event loop is there."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class Bare:
    """An awaitable of an extension module, whose iterator has neither `send` nor `throw`."""

    def __init__(self, *futures: Any) -> None:
        self._futures = futures

    def __await__(self) -> Iterator[Any]:
        return iter(self._futures)


def test_what_need_not_wait_is_had_at_once() -> None:
    async def at_once() -> str:
        return "result"

    assert start(at_once()) == "result"


def test_an_error_of_the_first_step_is_raised() -> None:
    async def fails() -> None:
        raise LookupError("at once")

    with pytest.raises(LookupError, match="at once"):
        start(fails())


def test_what_waits_says_for_what_and_goes_on_when_it_is_awaited() -> None:
    future, began = Future(), []

    async def waits() -> Any:
        began.append(True)
        return await future

    suspended = start(waits())
    assert isinstance(suspended, Suspended)
    assert (suspended.future, began) == (future, [True])
    steps = suspended.__await__()
    assert next(steps) is future
    with pytest.raises(StopIteration) as stop:
        steps.send("reply")
    assert stop.value.value == "reply"


def test_what_waits_can_be_ended() -> None:
    ended = []

    async def waits() -> None:
        try:
            await Future()
        finally:
            ended.append(True)

    suspended = start(waits())
    assert isinstance(suspended, Suspended)
    suspended.close()
    assert ended == [True]


@pytest.mark.parametrize("replies", [(None, None), ("one", None), (None, "two"), ("one", "two")])
def test_replies_reach_it_in_any_order(replies: tuple[Any, Any]) -> None:
    async def waits() -> list[Any]:
        return [await Future(), await Future()]

    suspended = start(waits())
    assert isinstance(suspended, Suspended)
    steps = suspended.__await__()
    next(steps)
    steps.send(replies[0])
    with pytest.raises(StopIteration) as stop:
        steps.send(replies[1])
    assert stop.value.value == list(replies)


def test_an_iterator_that_can_only_be_iterated() -> None:
    async def main() -> None:
        # A bare yield is asyncio's `sleep(0)`.
        suspended = start(Bare(None, None, None))
        assert isinstance(suspended, Suspended)
        await suspended

    run(main())


@pytest.mark.parametrize(
    "error", [LookupError("thrown"), GeneratorExit(), asyncio.CancelledError()]
)
def test_an_error_reaches_it_in_its_context(error: BaseException) -> None:
    seen = []

    async def waits() -> None:
        NAME.set("inside")
        for _ in range(2):
            try:
                await Future()
            finally:
                seen.append(NAME.get())

    outer = run_in(copy_context(), waits)
    outer.send(None)
    outer.send("reply")
    with pytest.raises(type(error)):
        outer.throw(error)
    assert seen == ["inside", "inside"]
    assert NAME.get() == "outside"


def test_what_is_told_hears_of_a_cancellation_before_the_work_does() -> None:
    heard: list[str] = []

    async def work() -> None:
        try:
            await Future()
        finally:
            heard.append("work")

    outer = _awaited(told(work(), partial(heard.append, "told")))
    outer.send(None)
    with pytest.raises(asyncio.CancelledError):
        outer.throw(asyncio.CancelledError())
    assert heard == ["told", "work"]


@pytest.mark.parametrize("futures", [0, 1, 3])
def test_each_step_goes_through_what_is_given(futures: int) -> None:
    seen: list[Any] = []

    def through(step: Callable[[Any], Any], value: Any) -> Any:
        seen.append(value)
        return step(value)

    async def work() -> str:
        for _ in range(futures):
            await Future()
        return "result"

    outer = _awaited(stepped(work(), through))
    for reply in [None, *range(futures)][:-1]:
        outer.send(reply)
    with pytest.raises(StopIteration) as stop:
        outer.send(futures - 1 if futures else None)
    assert stop.value.value == "result"
    assert seen == [None, *range(futures)]


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


#: The files beside `_loops/resume.py` that step what is awaited, and why they have to.
STEPPED_ELSEWHERE = {
    "core/quart/_connection/isolation.py": "the server's context is current for one step alone",
    "core/quart/_connection/outbound.py": "the same, for each piece of a stream",
    "core/quart/_threads/bridge.py": "a future is switched up to a greenlet, and not yielded",
    "quart_flask_patch/_faces/both.py": "it is a coroutine itself, to whatever steps it",
}


def test_coroutines_are_stepped_in_one_place() -> None:
    root = Path(__file__).parents[2]
    files = [
        path for name in ("core/quart", "quart_flask_patch") for path in (root / name).rglob("*.py")
    ]
    found = {path.relative_to(root).as_posix() for path in files if steps_by_hand(path)}
    assert found == {"core/quart/_loops/resume.py", *STEPPED_ELSEWHERE}


def steps_by_hand(file: Path) -> bool:
    """Whether something asks for the steps of an awaitable, other than to hand them on."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "__await__"
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        if function.name != "__await__"
        for node in ast.walk(function)
    )
