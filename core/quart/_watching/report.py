"""Report the connections under way, in a log or as objects."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .stack import formatted, yours
from .under_way import connections, UnderWay

if TYPE_CHECKING:
    from ..app import Quart

#: How many of them a log shows, as a process that is stuck may have thousands.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class RequestUnderWay:
    """A request, or a websocket, that is being handled, and where it is."""

    method: str
    path: str
    #: None while the URL has not been matched, or if it matches none.
    endpoint: str | None
    #: Where its view runs, as `runs_in` names it; None before that is known.
    place: str | None
    #: The seconds since it first waited for something; None if it has not waited yet.
    seconds: float | None
    #: The stack, formatted as a traceback: your code and what it called; empty if none is yours.
    stack: str

    def __str__(self) -> str:
        place = "" if self.place is None else f", in the place {self.place!r}"
        age = "" if self.seconds is None else f", for {self.seconds:.1f} seconds"
        where = self.stack or "  in none of your code\n"
        return f"{self.method} {self.path} ({self.endpoint!r}{place}{age})\n{where}"


def described(connection: UnderWay) -> RequestUnderWay:
    ctx = connection.ctx
    about = ctx.connection
    assert about is not None
    plan, since = getattr(ctx, "plan", None), connection.since
    return RequestUnderWay(
        about.method,
        about.path,
        about.endpoint,
        None if plan is None else plan.place.name,
        None if since is None else time.monotonic() - since,
        formatted(yours(connection.frames)),
    )


def requests(app: Quart) -> list[RequestUnderWay]:
    """Return the requests and websockets that *app* is handling now. Call it from any thread."""
    return [described(connection) for connection in connections(app)]


def listed(under_way: list[UnderWay]) -> str:
    """Return lines for a log that describe *under_way*."""
    told = "\n".join(str(described(connection)) for connection in under_way[:SHOWN])
    more = len(under_way) - SHOWN
    return f"{told}\nand {more} more\n" if more > 0 else told
