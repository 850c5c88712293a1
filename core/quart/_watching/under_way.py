"""The connections that an application is handling now, and where each of them is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING

from .._frames import is_ours
from .._loops.known import known_loops
from .chain import frames_of, running

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

#: The code of functions of ours that have the connection's context in a local variable.
_HANDLERS = frozenset({"handle_request", "handle_websocket", "_enter", "_in_place"})
_WATCHED = frozenset({"_watched", "_watched_in_nursery"})


@dataclass(slots=True)
class UnderWay:
    """A connection that is being handled."""

    ctx: AppContext
    #: The frames from the server's down to where it waits or runs.
    frames: list[FrameType]
    #: The task that handles it; None for plain code that a WSGI server has called.
    task: asyncio.Task[object] | None = None
    #: When it first waited for something, by `time.monotonic`; None if it has not.
    since: float | None = field(default=None)


def connections(app: Quart | None = None) -> list[UnderWay]:
    """Return the connections of *app*, or of all applications, that are being handled now."""
    found: dict[int, UnderWay] = {}
    for coroutine, task in _coroutines():
        _note(found, app, list(frames_of(coroutine)), task)
    for frame in sys._current_frames().values():
        _note(found, app, running(frame), None)
    return list(found.values())


def _coroutines() -> Iterator[tuple[object, asyncio.Task[object] | None]]:
    for loop in known_loops():
        yield from loop.coroutines()


def _note(
    found: dict[int, UnderWay],
    app: Quart | None,
    frames: list[FrameType],
    task: asyncio.Task[object] | None,
) -> None:
    ctx, since = None, None
    for frame in frames:
        code = frame.f_code
        if ctx is None and code.co_name in _WATCHED and is_ours(code):
            since = getattr(frame.f_locals.get("self"), "since", None)
        if ctx is None and code.co_name in _HANDLERS and is_ours(code):
            ctx = frame.f_locals.get("ctx")
    if ctx is None or (app is not None and ctx.app is not app):
        return
    known = found.get(id(ctx))
    if known is None:
        found[id(ctx)] = UnderWay(ctx, frames, task, since)
    elif len(frames) > len(known.frames) and task is None and known.task is None:
        known.frames = frames
