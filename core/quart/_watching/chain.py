"""Find where a waiting task is: its coroutine, what that awaits, and the plain code in between.

Python's own tools show the stack of code that runs. A task that waits is a chain of coroutines, and
plain code that waits is parked in a greenlet, in the loop's thread or in another one.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from types import FrameType

from greenlet import greenlet

from .._frames import is_ours
from .._threads import bridge, greenlets, lease, stream
from .._threads.bridge import Bridge
from .._threads.worker import WorkerThread, WorkGreenlet

_REPLY = lease.reply.__code__
_CALLS = frozenset({lease.Lease.call.__code__, stream.iterate.__code__})
_DRIVE = bridge.drive.__code__
_MAKE_CALL = greenlets._make_call.__code__
_CALL_BRIDGED = bridge.call_bridged.__code__
_RUN_LOOP = asyncio.BaseEventLoop.run_until_complete.__code__
#: Types written in C that wrap a coroutine or a generator, and reveal it only to the garbage
#: collector.
_OPAQUE = frozenset(
    {"anext_awaitable", "async_generator_asend", "async_generator_athrow", "coroutine_wrapper"}
)


def frames_of(step: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of all that it waits for, the innermost last."""
    while (frame := _frame_of(step)) is not None:
        yield frame
        if frame.f_code is _CALL_BRIDGED:
            yield from _of_greenlets(frame.f_locals.get("waiter"), Bridge)
            return
        awaited = _awaited(step, frame)
        if frame.f_code in _CALLS:
            yield from _of_call(frame, awaited)
        step = awaited


def _frame_of(step: object) -> FrameType | None:
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        frame: FrameType | None = getattr(step, name, None)
        if frame is not None:
            return frame
    return None


def _awaited(step: object, frame: FrameType) -> object:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        awaited = getattr(step, name, None)
        if awaited is not None:
            break
    if awaited is None and is_ours(frame.f_code):
        # A coroutine that we step by hand.
        names = frame.f_locals
        return names.get("steps", names.get("work"))
    while type(awaited).__name__ in _OPAQUE:
        awaited = next(filter(_may_be_followed, gc.get_referents(awaited)), None)
    return awaited


def _may_be_followed(value: object) -> bool:
    return _frame_of(value) is not None or type(value).__name__ in _OPAQUE


def _of_call(frame: FrameType, awaited: object) -> Iterator[FrameType]:
    """Yield the frames of what a call runs, or has parked, in its worker thread."""
    names = frame.f_locals
    work, worker = names.get("work", names.get("sender")), names.get("worker")
    if getattr(awaited, "cr_code", None) is _REPLY:
        if isinstance(work, WorkGreenlet):
            yield from _of_greenlets(getattr(work, "_waiter", None), WorkGreenlet)
    elif isinstance(worker, WorkerThread):
        frames = running(sys._current_frames().get(worker.thread.ident or 0))
        yield from frames
        # The thread may run a loop of its own, on which a task waits.
        for each in frames:
            if each.f_code is _RUN_LOOP:
                coroutine = each.f_locals["future"].get_coro()
                if getattr(coroutine, "cr_suspended", False):
                    yield from frames_of(coroutine)


def _of_greenlets(inner: greenlet | None, last: type[greenlet]) -> Iterator[FrameType]:
    """Yield the frames of *inner* and of the greenlets above it, up to one of the class *last*."""
    chain: list[greenlet] = []
    while inner is not None:
        chain.append(inner)
        inner = None if isinstance(inner, last) else inner.parent
    for one in reversed(chain):
        for frame in _stack(one.gr_frame):
            yield frame
            if frame.f_code is _DRIVE:
                awaitable = frame.f_locals.get("awaitable")
                yield from frames_of(getattr(awaitable, "awaited", awaitable))


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def running(frame: FrameType | None) -> list[FrameType]:
    """Return the stack that *frame* runs in, through the greenlets of ours on the way."""
    frames = _stack(frame)
    while frames:
        calls = [each for each in frames[:2] if each.f_code is _MAKE_CALL]
        parent = calls[0].f_locals["this"].parent if calls else None
        if parent is None or not (above := _stack(parent.gr_frame)):
            break
        frames = above + frames
    return frames
