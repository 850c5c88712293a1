"""Threads, headers, tasks and the reloader's parts."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import Headers

from quart import utils
from quart.utils import (
    cancel_tasks,
    decode_headers,
    encode_headers,
    file_path_to_path,
    MustReloadError,
    observe_changes,
    raise_task_exceptions,
    run_reloader,
    run_sync,
    run_sync_iterable,
)

variable: ContextVar[str] = ContextVar("variable", default="unset")


@pytest.mark.parametrize("paths", [("a/b",), (b"a/b",), (Path("a"), b"b"), ("a", "b")])
def test_file_path_to_path(paths: tuple[Any, ...]) -> None:
    assert file_path_to_path(*paths) == Path("a", "b")


def test_run_sync_runs_in_another_thread() -> None:
    def where(first: int, *, second: int) -> tuple[int, threading.Thread]:
        """Say where."""
        return first + second, threading.current_thread()

    made = run_sync(where)
    assert inspect.iscoroutinefunction(made)
    assert made.__doc__ == "Say where."
    total, thread = asyncio.run(made(1, second=2))
    assert total == 3
    assert thread is not threading.current_thread()


def test_run_sync_shares_context_variables_both_ways() -> None:
    def change() -> str:
        seen = variable.get()
        variable.set("inner")
        return seen

    async def main() -> tuple[str, str]:
        variable.set("outer")
        return await run_sync(change)(), variable.get()

    assert asyncio.run(main()) == ("outer", "inner")


def test_run_sync_passes_errors_on() -> None:
    def fail() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        asyncio.run(run_sync(fail)())


def test_run_sync_of_a_generator_function_gives_an_async_generator() -> None:
    def numbers() -> Iterator[Any]:
        yield 1
        yield threading.current_thread()

    async def main() -> list[Any]:
        return [item async for item in await run_sync(numbers)()]

    number, thread = asyncio.run(main())
    assert number == 1
    assert thread is not threading.current_thread()


def test_run_sync_iterable_goes_to_the_end() -> None:
    async def main() -> list[int]:
        return [item async for item in run_sync_iterable(iter([1, 2, 3]))]

    assert asyncio.run(main()) == [1, 2, 3]


def test_run_sync_iterable_closes_what_it_iterates_over() -> None:
    closed = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    async def main() -> None:
        iterator: Any = run_sync_iterable(numbers())
        assert await anext(iterator) == 0
        await iterator.aclose()

    asyncio.run(main())
    assert closed == [True]


def test_run_sync_iterable_passes_errors_on() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    async def main() -> None:
        async for _ in run_sync_iterable(numbers()):
            pass

    with pytest.raises(LookupError, match="no more"):
        asyncio.run(main())


def test_headers_are_encoded_and_decoded() -> None:
    headers = Headers([("Content-Type", "text/html"), ("X-Name", "é"), ("X-Other", "日本")])
    encoded = encode_headers(headers)
    assert encoded == [
        (b"content-type", b"text/html"),
        (b"x-name", b"\xe9"),
        (b"x-other", "日本".encode()),
    ]
    assert decode_headers(encoded[:2]) == headers[:2]
    # WSGI's rule: every byte has a meaning, so no client can make this fail.
    assert decode_headers([(b"X-Any", b"\xff")]).get("x-any") == "\xff"


@pytest.mark.parametrize("looked_at", [False, True])
def test_decoded_headers_are_like_any_others(looked_at: bool) -> None:
    pairs = [(b"x-twice", b"1"), (b"x-number", b"7"), (b"x-twice", b"2")]
    headers = decode_headers(iter(pairs))
    if looked_at:
        assert len(headers) == 3
    assert headers.get("X-Twice") == "1"
    assert headers.get("X-Number", type=int) == 7
    assert headers.get("X-Twice", 5, type=float.fromhex) == 1.0
    assert headers.get("x-none") is None
    assert headers.get("x-none", "default") == "default"
    assert headers.get("x-twice", "default", type=dict) == "default"
    assert headers["X-Twice"] == "1"
    assert "X-Number" in headers
    assert "x-none" not in headers
    with pytest.raises(KeyError):
        headers["x-none"]
    assert headers[1] == ("x-number", "7")
    expected = Headers([(name.decode(), value.decode()) for name, value in pairs])
    assert headers == expected
    assert expected == decode_headers(pairs)
    assert decode_headers(pairs) == decode_headers(pairs)
    assert decode_headers(pairs).copy() == headers
    assert pickle.loads(pickle.dumps(decode_headers(pairs))) == headers
    assert headers.getlist("x-twice") == ["1", "2"]
    headers["X-Number"] = "8"
    assert headers.get("x-number") == "8"
    assert "x-number" in headers
    with pytest.raises(AttributeError, match="nothing"):
        decode_headers(pairs).nothing  # type: ignore[attr-defined]  # noqa: B018


def test_cancel_tasks_waits_for_the_end() -> None:
    log = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        await cancel_tasks({task})
        assert task.cancelled()

    asyncio.run(main())
    assert log == ["cleaned up"]


def test_errors_of_tasks_are_raised() -> None:
    async def fail() -> None:
        raise LookupError("no")

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait({task})
        with pytest.raises(LookupError):
            raise_task_exceptions({task})
        with pytest.raises(LookupError):
            await cancel_tasks({task})

    asyncio.run(main())


class FakeModule:
    def __init__(self, path: Path) -> None:
        self.__file__ = str(path)


@pytest.mark.parametrize("change", ["touched", "deleted", "nothing"])
def test_observe_changes(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "watched.py"
    source.write_text("")
    monkeypatch.setitem(sys.modules, "watched", FakeModule(source))
    monkeypatch.setitem(sys.modules, "gone", weakref.proxy(FakeModule(source)))
    shutdown = asyncio.Event()

    async def sleep(delay: float) -> None:
        if change == "touched":
            os.utime(source, (2**31, 2**31))
        elif change == "deleted":
            source.unlink()
        else:
            shutdown.set()

    if change == "nothing":
        asyncio.run(observe_changes(sleep, shutdown))
    else:
        with pytest.raises(MustReloadError):
            asyncio.run(observe_changes(sleep, shutdown))


def test_run_reloader_ends_as_the_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, sys; sys.exit(7 if os.environ['QUART_RUN_MAIN'] == 'true' else 1)"
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", program])
    assert run_reloader() == 7


def test_restart_replaces_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(os, "execv", lambda *arguments: calls.append(arguments))
    utils.restart()
    assert calls == [(sys.executable, [sys.executable, *sys.orig_argv[1:]])]
