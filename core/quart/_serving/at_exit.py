"""End what an application does if its server stops without announcing it.

Daphne, for one, drops its connections, stops its event loop, and leaves what waits on it
unfinished. Before Python ends, the loop runs once more, until that has ended.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from .._loops.forks import in_child
from .._loops.mailbox import in_trio
from .lifespan import end_background_tasks, end_connections

if TYPE_CHECKING:
    from ..app import Quart

_served: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[Quart]] = WeakKeyDictionary()
in_child(_served.clear)


def see_to_end(app: Quart) -> None:
    """Arrange for the end of what *app* does on the running loop, if the server just stops."""
    if not in_trio():  # Trio's run does not end before its tasks.
        _served.setdefault(asyncio.get_running_loop(), WeakSet()).add(app)
        _register()


@cache
def _register() -> None:
    atexit.register(_end_all)


def _end_all() -> None:
    for loop, apps in list(_served.items()):
        # A closed loop has no tasks, and a running loop belongs to another thread.
        if loop.is_closed() or loop.is_running():
            continue
        for app in list(apps):
            if app.shutdown_event.is_set():  # A lifespan has ended it already.
                continue
            try:
                loop.run_until_complete(_end(app))
            except Exception:
                logging.getLogger(__name__).exception("Not all of %r could be ended", app.name)


async def _end(app: Quart) -> None:
    await end_connections(app)
    await end_background_tasks(app)
