"""Measure what connections take, by a place around the place of each endpoint.

Making a plan decides whether there is one. So an application that is not measured pays nothing for
each request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache, partial
from threading import Lock
from time import perf_counter, thread_time
from typing import Any, ParamSpec, TYPE_CHECKING, TypeVar

from quart._kind import REQUEST
from quart._loops.resume import stepped
from quart._threads import lease, pool
from quart._threads.strategy import Place
from quart._types import CoroutineOf

from .. import _measured
from .._waiting import bridge
from . import measures

if TYPE_CHECKING:
    from quart.app import Quart
    from quart.ctx import AppContext

T = TypeVar("T")
P = ParamSpec("P")
#: The type of `Place.enter`.
Enter = Callable[["AppContext", Callable[["AppContext"], CoroutineOf[Any]]], Any]
#: Takes one step of a connection's work on the loop, and adds its time to the visit.
Step = Callable[["AppContext", measures.Visit, Callable[[object], object], object], object]


def _step(
    ctx: AppContext, visit: measures.Visit, step: Callable[[object], object], value: object
) -> object:
    begun = perf_counter()
    try:
        return step(value)
    finally:
        seconds = perf_counter() - begun
        visit.on_loop += seconds
        if seconds > visit.longest_step:
            visit.longest_step = seconds


class Measuring(Place):
    """Mixed into a place, to count what its connections take."""

    #: The name under which connections are counted: that of their place behind an ASGI server.
    label: str
    #: Whether the place's steps are taken on an event loop that others share.
    on_loop: bool
    take_step: Step = staticmethod(_step)
    #: Whether the place is for plain calls, whose caller waits for a loop.
    is_waited_for: bool

    def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> Awaitable[T]:
        return _timed(self, getattr(self, "enter_loop", super().enter), ctx, work)

    @property
    def lasting(self) -> Place:
        inner = super().lasting
        return inner if isinstance(inner, Measuring) else around(inner, inner.name, True, self.take)

    @property
    def take(self) -> Step:
        return type(self).take_step


def placed(app: Quart, place: Place, at_server: Callable[[], Place]) -> Place:
    """Return a measuring place around *place*; *at_server* returns the place behind a server."""
    checking = _measured.checking
    if checking is not None:
        # A test calls views in its own thread. Count them under the place that a server would use.
        checking.tables.append(measures.table_of(app, checking.tables[0]))
        label = at_server().name
        # A view with a loop of its own holds up nobody, so its steps are not timed.
        return around(place, label, _has_loop(place) and label == place.name, checking.step)
    return around(place, place.name, _has_loop(place), _step)


def _has_loop(place: Place) -> bool:
    return not getattr(place, "is_callers", False)


@dataclass(frozen=True, slots=True)
class Checking:
    """How a test run measures all applications."""

    #: Takes the place of `_step`.
    step: Step
    #: The first table is for applications that nobody else measures.
    tables: list[measures.Table] = field(default_factory=lambda: [measures.Table()])


@cache
def around(place: Place, label: str, on_loop: bool, step: Step) -> Place:
    kind = type(place)
    names = {
        "label": label,
        "on_loop": on_loop,
        "is_waited_for": hasattr(place, "enter_loop"),
        "take_step": staticmethod(step),
    }
    measuring: Place = type(f"Measured{kind.__name__}", (Measuring, kind), names)()
    return measuring


async def _timed(
    place: Measuring,
    enter: Enter,
    ctx: AppContext,
    work: Callable[[AppContext], CoroutineOf[T]],
) -> T:
    visit, failed, left = measures.Visit(), False, False
    begun = perf_counter()
    if place.name != "loop":
        work = partial(_in_thread, visit, begun, work)
    elif ctx._lease is None and ctx.kind is REQUEST:
        ctx.lease = _Lease(ctx, visit)
    try:
        entered = enter(ctx, work)
        if place.on_loop:
            entered = stepped(entered, partial(place.take_step, ctx, visit))
        response: T = bridge.wait(_whole(entered)) if place.is_waited_for else await entered
        failed = getattr(response, "status_code", 200) >= 500
        return response
    except Exception:
        failed = True
        raise
    except BaseException:
        left = True
        raise
    finally:
        seconds = perf_counter() - begun
        endpoint = None if ctx.connection is None else ctx.connection.endpoint
        record = measures.table_of(ctx.app).record(endpoint, place.label)
        record.add(visit, seconds, failed, left)


async def _whole(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _in_thread(
    visit: measures.Visit,
    begun: float,
    work: Callable[[AppContext], CoroutineOf[T]],
    ctx: AppContext,
) -> T:
    entered, working = perf_counter(), thread_time()
    visit.waited += entered - begun
    try:
        return await work(ctx)
    finally:
        visit.working += thread_time() - working
        visit.in_threads += perf_counter() - entered


#: One request may call functions in several threads at once.
_lock = Lock()


class _Lease(lease.Lease):
    """The lease of a request on the loop, timing the plain functions that it calls in a thread."""

    __slots__ = ("_visit",)

    def __init__(self, ctx: AppContext, visit: measures.Visit) -> None:
        super().__init__(pool.pool_of(ctx.app))
        self._visit = visit

    async def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        begun = perf_counter()

        def timed() -> T:
            entered, working = perf_counter(), thread_time()
            try:
                return func(*args, **kwargs)
            finally:
                working, ended = thread_time() - working, perf_counter()
                with _lock:
                    self._visit.waited += entered - begun
                    self._visit.working += working
                    self._visit.in_threads += ended - entered

        return await super().call(timed)
