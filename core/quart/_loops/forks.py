"""What a forked child must not have of its parent's.

A fork copies the memory and one thread, the one that asked for it. What it copies of the others is
half of something: threads that are counted but not there, locks that nobody opens, event loops
whose kernel objects both processes share. Code that keeps such a thing registers
here what puts it right.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import threading
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[[], None])

_in_child: list[Callable[[], None]] = []
#: Parents' loops that can't be closed here, and must not be by the garbage collector either.
_kept: list[asyncio.AbstractEventLoop] = []


class _Forking(threading.local):
    """What a thread that forks is in the middle of."""

    loop: asyncio.AbstractEventLoop | None = None


_forking = _Forking()


def in_child(func: F) -> F:
    """Call *func* in each forked child, before anything else runs there."""
    _in_child.append(func)
    return func


def detach(loop: asyncio.AbstractEventLoop) -> bool:
    """Let *loop*, a parent's, be closed here without the parent's losing what it watches.

    Both have the same epoll object: what is unregistered here would be unregistered there.
    """
    if loop.is_closed():
        return True
    selector = getattr(loop, "_selector", None)
    if selector is None:
        return False  # A loop of another library, in C.
    if hasattr(selectors, "EpollSelector") and isinstance(selector, selectors.EpollSelector):
        with select.epoll() as own:
            os.dup2(own.fileno(), selector.fileno(), inheritable=False)
    return True


def abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Give up *loop*, a parent's, without a step of its tasks."""
    if detach(loop) and not loop.is_running():
        loop.close()
    else:
        _kept.append(loop)


def _before() -> None:
    _forking.loop = asyncio._get_running_loop()


def _after_in_parent() -> None:
    _forking.loop = None


def _after_in_child() -> None:
    if _forking.loop is not None:
        detach(_forking.loop)
        _forking.loop = None
    for func in _in_child:
        func()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
