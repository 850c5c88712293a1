"""Report calls that are known to block, however short, if a step on the loop makes them.

If blockbuster is installed, its list says which calls these are. Otherwise it is a short list of
our own. Calls that read files are left out, as even rendering a template makes them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from threading import get_ident
from types import FrameType
from typing import Any

from quart._types import Function

#: A callback for a call that blocks: its name, the seconds that it took, and its caller's frame.
Tell = Callable[[str, float, FrameType], None]

_OF_BLOCKBUSTER = ("time.", "socket.", "ssl.", "sqlite3.", "threading.", "builtins.")

#: The callback for each thread that is taking a step, by the thread's id.
_told: dict[int, Tell] = {}


@dataclass(frozen=True, slots=True)
class _Call:
    owner: Any
    name: str
    shown: str
    function: Function
    #: Whether the call with these arguments does not block.
    may: Callable[..., bool] = lambda *_, **__: False
    #: Callers that are allowed: ends of file names, and names of functions there.
    callers: Iterable[tuple[str, Iterable[str]]] = ()


def _has_ended(process: subprocess.Popen[Any], *args: object, **kwargs: object) -> bool:
    return process.returncode is not None


#: Calls that blockbuster does not list: they wait for another process.
_OF_PROCESSES = (
    _Call(subprocess.Popen, "wait", "subprocess.Popen.wait", subprocess.Popen.wait, _has_ended),
    _Call(
        subprocess.Popen,
        "communicate",
        "subprocess.Popen.communicate",
        subprocess.Popen.communicate,
    ),
    _Call(os, "system", "os.system", os.system),
)


def tell(told: Tell | None) -> Tell | None:
    """Report this thread's calls to *told* from now on; return the callback that it had before."""
    thread = get_ident()
    before = _told.pop(thread, None)
    if told is not None:
        _told[thread] = told
    return before


def install() -> Callable[[], None]:
    """Wrap each of the calls; return a function that undoes it."""
    calls = list(_calls())
    for call in calls:
        _put(call, _telling(call))

    def put_back() -> None:
        for call in calls:
            _put(call, call.function)

    return put_back


def _calls() -> Iterator[_Call]:
    yield from _OF_PROCESSES
    if find_spec("blockbuster") is None:
        yield _Call(time, "sleep", "time.sleep", time.sleep)
        return
    for shown, known in import_module("blockbuster").BlockBuster().functions.items():
        if shown.startswith(_OF_BLOCKBUSTER) and known.original_func is not None:
            yield _Call(
                known.module,
                known.func_name,
                shown,
                known.original_func,
                known.can_block_predicate,
                known.can_block_functions,
            )


def _put(call: _Call, function: Function) -> None:
    try:
        setattr(call.owner, call.name, function)
    except TypeError:
        # It is a class written in C; forbiddenfruit, which blockbuster requires, can change those.
        import_module("forbiddenfruit").curse(call.owner, call.name, function)


def _telling(call: _Call) -> Function:
    function, may = call.function, call.may

    @wraps(function)
    def telling(*args: object, **kwargs: object) -> object:
        thread = get_ident()
        told = _told.pop(thread, None)
        if told is None:
            return function(*args, **kwargs)
        # No callback meanwhile: calls that this call makes are part of it.
        try:
            frame = sys._getframe(1)
            if may(*args, **kwargs) or _is_allowed(call, frame):
                return function(*args, **kwargs)
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                told(call.shown, time.perf_counter() - begun, frame)
        finally:
            _told[thread] = told

    return telling


def _is_allowed(call: _Call, frame: FrameType | None) -> bool:
    while frame is not None and call.callers:
        file, function = frame.f_code.co_filename.replace("\\", "/"), frame.f_code.co_name
        if any(file.endswith(end) and function in names for end, names in call.callers):
            return True
        frame = frame.f_back
    return False
