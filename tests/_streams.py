"""An application that answers with streams, in every way there is, and notes how each ends.

The URL says how to answer, how the stream ends, and under which key to note it. The application
runs on asyncio and on Trio, and in each place.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import flask

import quart
from quart._flask import HAS_ONE_CONTEXT
from quart._threads import bridge as _bridge

CHUNK = b"x" * 64_000
#: After this many chunks a stream `ends`, `fails`, `waits` for ever, or `goes on`.
CHUNKS = 3

#: The events of each request, in order.
notes: dict[str, list[str]] = defaultdict(list)
key_of_request: ContextVar[str] = ContextVar("key_of_request")


class OnPurpose(Exception):
    """The error that a stream raises."""


def here() -> tuple[int, Any]:
    """Return the thread and the task in which this runs."""
    trio, task = sys.modules.get("trio"), None
    if asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
    elif trio is not None and trio.lowlevel.in_trio_task():
        task = trio.lowlevel.current_task()
    return threading.get_ident(), task


class Stream:
    """The stream that answers one request: a generator, or another iterable."""

    def __init__(self, key: str, end: str) -> None:
        self.key, self.end = key, end
        self._stepped = here()

    def note(self, what: str) -> None:
        where = "" if key_of_request.get(None) == self.key else ", in another context"
        notes[self.key].append(what + where)

    def begin(self) -> None:
        self._stepped = here()

    def note_closed(self) -> None:
        self.note("closed" if here() == self._stepped else "closed, elsewhere than it was stepped")

    def plain(self) -> Iterator[bytes]:
        self.begin()
        try:
            yield from [CHUNK] * CHUNKS
            if self.end == "fails":
                raise OnPurpose
            while self.end != "ends":
                if self.end == "waits":
                    notes[self.key].append("waits")
                    _bridge.wait(anyio.sleep(60), refuse)
                yield CHUNK
        finally:
            self.note_closed()

    async def asynchronous(self) -> AsyncIterator[bytes]:
        self.begin()
        try:
            for _ in range(CHUNKS):
                yield CHUNK
            if self.end == "fails":
                raise OnPurpose
            while self.end != "ends":
                if self.end == "waits":
                    notes[self.key].append("waits")
                    await anyio.sleep(60)
                yield CHUNK
        finally:
            self.note_closed()


def refuse(awaitable: Any) -> None:
    awaitable.close()
    raise AssertionError("a plain generator that may wait is stepped where it cannot")


class PlainIterable:
    """An iterable without a `close`, whose generator must be closed."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self.stream.plain()


class AsyncIterable:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.stream.begin()
        try:
            number = 0
            while number < CHUNKS or self.stream.end != "ends":
                number += 1
                yield CHUNK
                if number > CHUNKS and self.stream.end == "fails":
                    raise OnPurpose
                if number > CHUNKS and self.stream.end == "waits":
                    notes[self.stream.key].append("waits")
                    await anyio.sleep(60)
        finally:
            self.stream.note_closed()


class File(io.RawIOBase):
    """An open file that ends, fails, or goes on for ever."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.left = CHUNKS * len(CHUNK)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.stream.begin()
        self.left -= size
        if self.left < -size and self.stream.end == "fails":
            raise OnPurpose
        return b"" if self.left < 0 and self.stream.end == "ends" else CHUNK[:size]

    def close(self) -> None:
        if not self.closed:
            self.stream.note_closed()
        super().close()


#: The ways of answering. Those in brackets are only for a Flask application on the layer.
WAYS: dict[str, Callable[[Stream], Any]] = {
    "plain": lambda stream: stream.plain(),
    "async": lambda stream: stream.asynchronous(),
    "plain in a tuple": lambda stream: (stream.plain(), 201, {"X-Made": "by hand"}),
    "async in a tuple": lambda stream: (stream.asynchronous(), 201),
    "plain iterable in Response": lambda stream: quart.Response(PlainIterable(stream)),
    "async iterable in Response": lambda stream: quart.Response(AsyncIterable(stream)),
    "plain in Response": lambda stream: quart.Response(stream.plain()),
    "async in Response": lambda stream: quart.Response(stream.asynchronous()),
    "plain, kept": lambda stream: quart.stream_with_context(stream.plain()),
    "async, kept": lambda stream: quart.stream_with_context(stream.asynchronous()),
    "async, kept, in Response": lambda stream: quart.Response(
        quart.stream_with_context(stream.asynchronous())
    ),
    "plain in flask.Response": lambda stream: flask.Response(stream.plain()),
    "async in flask.Response": lambda stream: flask.Response(stream.asynchronous()),  # type: ignore[arg-type]
    "plain iterable in flask.Response": lambda stream: flask.Response(PlainIterable(stream)),
    "async iterable in flask.Response": lambda stream: flask.Response(AsyncIterable(stream)),  # type: ignore[arg-type]
    "plain, kept by flask": lambda stream: flask.stream_with_context(stream.plain()),
    "async, kept, in flask.Response": lambda stream: flask.Response(
        quart.stream_with_context(stream.asynchronous())  # type: ignore[arg-type]
    ),
    "file, by flask.send_file": lambda stream: flask.send_file(File(stream), "text/plain"),  # type: ignore[arg-type]
}
TEMPLATE = "{% for chunk in chunks %}{{ chunk }}{% endfor %}"
WAYS["plain, by flask.stream_template_string"] = lambda stream: flask.stream_template_string(
    TEMPLATE, chunks=stream.plain()
)
#: The ways that must be awaited, so only async views can use them.
AWAITED: dict[str, Callable[[Stream], Any]] = {
    "plain, by quart.stream_template_string": lambda stream: quart.stream_template_string(
        TEMPLATE, chunks=stream.plain()
    ),
    "async, by quart.stream_template_string": lambda stream: quart.stream_template_string(
        TEMPLATE, chunks=stream.asynchronous()
    ),
}


#: Ways whose steps cannot wait: an open file, and iterables in a Quart application's templates,
#: which are async.
NEVER_WAITS = {"file, by flask.send_file", "plain, by quart.stream_template_string"}
#: Ways that a Flask application's templates, which are plain, cannot loop over.
NOT_OF_FLASK = {"async, by quart.stream_template_string"}


def ways(application: str, views: str, end: str) -> list[str]:
    """Return the ways for an application of this class, with plain or async views."""
    names = [*WAYS, *AWAITED] if views == "async" else [*WAYS]
    left_out = (NEVER_WAITS if end == "waits" else set()) | (
        NOT_OF_FLASK if application == "flask" else set()
    )
    return [way for way in names if way not in left_out]


def expected(way: str) -> list[str]:
    """Return the notes that each stream makes, whatever ends it."""
    if ("kept by flask" in way or "flask.stream_template" in way) and not HAS_ONE_CONTEXT:
        # Flask 3.1 pushes the context again.
        return ["teardown", "closed", "teardown", "on close"]
    if "kept" in way or "stream_template" in way:
        return ["closed", "teardown", "on close"]
    return ["teardown", "closed", "on close"]


def add_streams(app: Any, is_async: bool) -> None:
    """Let *app* answer with streams, by an async or plain view with hooks of its kind."""
    request: Any = flask.request if isinstance(app, flask.Flask) else quart.request

    @app.before_request
    async def begin() -> None:
        key_of_request.set(request.args["key"])

    def answer() -> Any:
        stream = Stream(request.args["key"], request.args["end"])
        return (WAYS | AWAITED)[request.args["way"]](stream)

    def after(response: Any) -> Any:
        stream = Stream(request.args["key"], request.args["end"])
        response.call_on_close(partial(stream.note, "on close"))
        response.timeout = None
        return response

    def teardown(error: BaseException | None) -> None:
        Stream(request.args["key"], "").note("teardown")

    async def async_answer() -> Any:
        result = answer()
        return await result if request.args["way"] in AWAITED else result

    async def async_after(response: Any) -> Any:
        return after(response)

    async def async_teardown(error: BaseException | None) -> None:
        await anyio.lowlevel.checkpoint()
        teardown(error)

    app.add_url_rule("/stream", "stream", async_answer if is_async else answer)
    app.after_request(async_after if is_async else after)
    app.teardown_request(async_teardown if is_async else teardown)
