"""Repair in a forked child what must not be its parent's.

A fork copies the memory, and only the thread that called it. What belongs to other threads is left
in pieces: threads that are counted but do not exist, locks that nobody will release, event loops
whose kernel objects both processes share. Code that keeps such a thing registers a function here
that repairs it.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import sys
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

F = TypeVar("F", bound=Callable[[], None])

#: How many forks this process is away from the first one.
generation = 0
_in_child: list[Callable[[], None]] = []
#: Loops of the parent. Keep them, as closing them here, even by the garbage collector, does harm.
_kept: list[asyncio.AbstractEventLoop] = []


_RETURNED = """\
Expected the child to end where it was forked, got one that has gone on to the end of its view, \
stream or task. What follows is its parent's, so it ends here: call os._exit() or sys.exit() in it.
"""


class _Forking(threading.local):
    """What the thread that forks is doing."""

    loop: asyncio.AbstractEventLoop | None = None


_forking = _Forking()


def in_child(func: F) -> F:
    """Decorate a function to call it in each forked child, before anything else runs there."""
    _in_child.append(func)
    return func


def detach(loop: asyncio.AbstractEventLoop) -> bool:
    """Let *loop*, the parent's, be closed in this process without harm to the parent.

    Both processes share the loop's epoll object: unregistering a file here would unregister it
    there.
    """
    if loop.is_closed():
        return True
    selector = getattr(loop, "_selector", None)
    if selector is None:
        return False  # A loop written in C, such as uvloop's.
    if hasattr(selectors, "EpollSelector") and isinstance(selector, selectors.EpollSelector):
        with select.epoll() as own:
            os.dup2(own.fileno(), selector.fileno(), inheritable=False)
    return True


def abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Give up *loop*, the parent's, without running its tasks."""
    if detach(loop) and not loop.is_running():
        loop.close()
    else:
        _kept.append(loop)


def end_if_child(began: int, error: BaseException | None = None) -> None:
    """End this process if the code that has ended now, with *error* or without, has forked it.

    What follows is the parent's: its server, for instance, whose client gets one answer.

    - *began*: The `generation` when that code began.
    """
    if began != generation:
        _end(error)


def _end(error: BaseException | None) -> NoReturn:
    status: object = 1
    if error is None:
        sys.stderr.write(_RETURNED)
    elif not isinstance(error, SystemExit):
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        status = error.code or 0
        if not isinstance(status, int):
            sys.stderr.write(f"{status}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF if isinstance(status, int) else 1)


def _before() -> None:
    _forking.loop = asyncio._get_running_loop()


def _after_in_parent() -> None:
    _forking.loop = None


def _after_in_child() -> None:
    global generation
    generation += 1
    if _forking.loop is not None:
        detach(_forking.loop)
        _forking.loop = None
    for func in _in_child:
        func()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
