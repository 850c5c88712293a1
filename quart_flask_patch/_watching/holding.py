"""Warn in debug mode, and in tests, if a view awaits while it holds a database connection.

Such a view can block itself. Suppose that another view on the same loop waits, in plain code, for
that connection or for a row that it has locked. That holds up the loop on which the first view
would give the connection back.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from quart._threads.worker import current_work
from quart._watching.chain import running
from quart._watching.stack import formatted, yours
from quart.globals import _cv_app

if TYPE_CHECKING:
    from quart.app import Quart
    from quart.ctx import AppContext

#: For each request: the connections it has checked out, with the stack of the checkout.
_held: WeakKeyDictionary[AppContext, dict[int, str]] = WeakKeyDictionary()
#: The endpoints that were reported already.
_told: WeakKeyDictionary[Quart, set[str | None]] = WeakKeyDictionary()


def listen() -> None:
    """Record checkouts from SQLAlchemy's pools from now on, if SQLAlchemy is imported."""
    if "sqlalchemy.pool" in sys.modules:
        _listen()


@cache
def _listen() -> None:
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    event.listen(Pool, "checkout", _taken)
    event.listen(Pool, "checkin", _given_back)


def _taken(connection: object, record: object, proxy: object) -> None:
    ctx = _cv_app.get(None)
    # SQLAlchemy's connections for asyncio never hold up the loop.
    if ctx is not None and current_work() is None and not hasattr(connection, "run_async"):
        where = formatted(yours(running(sys._getframe(1))))
        _held.setdefault(ctx, {})[id(record)] = where


def _given_back(connection: object, record: object) -> None:
    for records in list(_held.values()):
        records.pop(id(record), None)


def look(ctx: AppContext) -> None:
    """Warn if the request of *ctx*, which is about to await, holds a connection."""
    records = _held.get(ctx)
    endpoint = None if ctx.connection is None else ctx.connection.endpoint
    if not records or endpoint in (told := _told.setdefault(ctx.app, set())):
        return
    told.add(endpoint)
    ctx.app.logger.warning(
        "The request of %r awaits on the event loop while it has a database connection checked out."
        " A request that waits for that connection, or for what its transaction has locked, holds"
        " up the loop, and neither can go on. Commit or roll back before you await, or let the view"
        " run in a place of its own: @runs_in('own-loop'), or a plain `def`. It was checked out"
        " here:\n%s",
        endpoint,
        next(iter(records.values())),
    )
