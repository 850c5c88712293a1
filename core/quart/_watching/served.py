"""Watch an application while a server serves it: its loop, and the signal that asks for a report.

Watching begins with the application's lifespan. Some servers have none, and an application that is
mounted in another one seldom gets it, so the first connection begins it then.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from logging import Logger
from types import FrameType
from typing import TYPE_CHECKING

from .._loops.known import know_loop
from . import stopping, watchdog
from .report import listed
from .under_way import connections

if TYPE_CHECKING:
    from ..app import Quart

KEY = "REQUESTS_SIGNAL"


def begin(app: Quart) -> Callable[[], None]:
    """Begin to watch, in the server's task; return a function that ends it."""
    know_loop()
    watched, handled = watchdog.watch(app), _handle_signal(app)

    def end() -> None:
        watchdog.leave(watched)
        if handled is not None:
            number, handler = handled
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)

    return end


def see_to_loop(app: Quart) -> None:
    """Watch the loop of the current connection, unless it is watched already."""
    watchdog.watch(app, unless_watched=True)
    _handle_signal(app)
    stopping.see_to_stop()


def _handle_signal(
    app: Quart,
) -> tuple[signal.Signals, Callable[[int, FrameType | None], None]] | None:
    """Have the signal log what is under way, unless somebody else handles the signal."""
    number = getattr(signal, app.config.get(KEY) or "", None)
    if number is None or signal.getsignal(number) is not signal.SIG_DFL:
        return None

    logger = app.logger  # The handler must not keep the application alive.

    def handler(_: int, frame: FrameType | None) -> None:
        # A handler runs between any two lines, even in the middle of logging.
        threading.Thread(target=_log, args=[logger], name="quart-requests", daemon=True).start()

    with suppress(ValueError):  # Only the main thread may set a handler.
        signal.signal(number, handler)
        return number, handler
    return None


def _log(logger: Logger) -> None:
    under_way = connections()
    logger.warning("Connections under way: %d\n%s", len(under_way), listed(under_way))
