"""Decide where a request runs, and so how its plain code is called and how it waits.

An ``async def`` view runs on the event loop, beneath a bridge, with its plain hooks inline. With a
plain view, the whole request runs in one worker thread.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TYPE_CHECKING, TypeVar

from quart._connection.inbound import undisturbed
from quart._kind import REQUEST
from quart._loops.mailbox import shielded
from quart._threads import lease, pool, strategy, stream, worker
from quart._threads.strategy import Place, Strategy
from quart._types import CoroutineOf, Function, Take

from . import _measured, ctx as _ctx, wrappers
from ._environs import translation
from ._environs.body_stream import receive_early
from ._faces import quart_face, signals
from ._waiting import bridge
from .app import Flask

if TYPE_CHECKING:
    from blinker import Signal

    from quart.app import Quart
    from quart.ctx import AppContext

T = TypeVar("T")
F = TypeVar("F", bound=Function)

_ATTRIBUTE = "_quart_sync_place"
VARIABLE = "QUART_SYNC_PLACE"
ASYNC_VARIABLE = "QUART_ASYNC_PLACE"


class SyncPlace(Place):
    """A place that calls plain functions directly."""

    begins_at_once = False
    #: Whether this is a caller's thread, which is held up in place of an event loop.
    is_callers = False

    async def run(self, ctx: AppContext, override: Function, *args: object) -> object:
        # Teardown and background tasks may run where no place has been entered.
        if bridge.can_wait():
            return override(*args)
        return await self.call(ctx, override, *args)

    def adapt_after(self, app: Quart, func: Function) -> Function:
        if issubclass(type(app), Flask) or strategy.is_async(func):
            return self.adapt(func)

        # A plain function expects Flask's response, and a Quart application has another one.
        @wraps(func)
        def with_flasks_response(response: object) -> object:
            return wrappers.core_response_of(app, func(wrappers.response_of(app, response)))

        return self.adapt(with_flasks_response)


class Loop(SyncPlace):
    """On the event loop, beneath a bridge."""

    name = "loop"
    begins_at_once = True

    def adapt(self, func: Function) -> Function:
        return func

    def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> Awaitable[T]:
        entered: CoroutineOf[T] = bridge.call_bridged(bridge.drive_here, work(ctx))
        if not is_watched(ctx):
            return entered
        from ._watching import watch

        return watch.watched(ctx, entered)

    async def call(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        return await bridge.call_bridged(func, *args)

    def iterate(
        self, ctx: AppContext, iterable: Iterable[object]
    ) -> AsyncGenerator[Sequence[object], None]:
        return self.step_through(ctx, iterable)

    def hand_on(
        self,
        ctx: AppContext,
        iterable: Iterable[object],
        take: Take,
    ) -> Awaitable[None]:
        # One bridge for all steps: entering a bridge takes several times as long as a step.
        return bridge.call_bridged(_hand_on, ctx, iterable, take)


def _hand_on(ctx: AppContext, iterable: Iterable[object], take: Take) -> None:
    iterator, raised = iter(iterable), None
    try:
        rest = take(iterator)
        while rest is not None:
            bridge.wait(rest)
            rest = take(None)
    except BaseException as error:
        raised = type(error)
        raise
    finally:
        if (close := stream.closing(iterator, iterable)) is not None:
            with shielded(raised), undisturbed(ctx.connection):
                close()


def is_watched(ctx: AppContext) -> bool:
    """Whether to report code that holds the loop: in tests, and in debug mode on a shared loop."""
    connection = ctx.connection
    return ctx.app.testing or (
        ctx.app.debug and not (connection and translation.called_as_wsgi(connection.scope))
    )


class Thread(SyncPlace):
    """In the request's worker thread, from its hooks to its teardown."""

    name = "thread"

    def adapt(self, func: Function) -> Function:
        if strategy.is_async(func):
            return func

        @wraps(func)
        def in_thread(*args: object, **kwargs: object) -> object:
            # An override of a stage may be async, and then calls this on the event loop.
            if worker.current_work() is not None:
                return func(*args, **kwargs)
            return lease.call(func, *args, **kwargs)

        return in_thread

    async def resolve(self, awaitable: Awaitable[T]) -> T:
        work = worker.current_work()
        return await awaitable if work is None else work.wait(awaitable)

    def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> Awaitable[T]:
        if (leased := ctx._lease) is None:
            leased = ctx._lease = lease_of(ctx.app)
        if ctx.kind is REQUEST:
            receive_early(ctx.connection)
        return leased.call(wait_for_work, work, ctx)


def lease_of(app: object) -> lease.Lease:
    """Return a lease of *app*'s threads; what its work waits for is awaited beneath a bridge.

    Plain code beneath it, such as a hook that an async function calls, can then wait too.
    """
    return lease.Lease(pool.pool_of(app), bridge.await_bridged)


def wait_for_work(work: Callable[[Any], object], ctx: AppContext) -> Any:
    return wrappers.with_file_read(strategy.wait_for(work(ctx)))


PLACES: dict[str, Place] = {"loop": Loop(), "thread": Thread()}
#: All places that `runs_in` accepts; `_own_loop.py` adds one for async views alone.
CHOICES: dict[str, Place] = dict(PLACES)
#: How to choose the place of a WSGI call, by `AppContext.wanted_place`; `called.py` fills it.
OF_CALLS: dict[str, Callable[[Quart, Function | None], Place]] = {}


def place_named(name: str, source: str) -> Place:
    try:
        return PLACES[name]
    except KeyError:
        raise ValueError(
            f"Expected {source}, the place of plain views, to be 'thread' or 'loop', got {name!r}."
        ) from None


def runs_in(name: str) -> Callable[[F], F]:
    """Decorate a view to choose its place: ``"loop"``, ``"thread"`` or ``"own-loop"``.

    Use "loop" for a plain view that never blocks; it is cheaper there. Use "thread" for an async
    view whose plain hooks block. Use "own-loop" for an async view that blocks, or that awaits while
    it keeps something that others wait for: it runs on a loop of its own, as with Flask, and holds
    up nobody else.

    Raises:
        ValueError: if *name* is not one of these.
    """
    if name not in CHOICES:
        raise ValueError(
            f"Expected the place of a view to be one of {', '.join(map(repr, CHOICES))}, got"
            f" {name!r}."
        )

    def decorate(func: F) -> F:
        setattr(func, _ATTRIBUTE, name)
        return func

    return decorate


class Layer(Strategy):
    """The strategy under which sync code may wait for async code, and the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed, self.popped = _ctx.fill, _ctx.empty

    def place_for(self, app: Quart, view: Function | None, default: str | None) -> Place:
        place = self.choose(app, view, default)
        if not _measured.is_on(app):
            return place
        from ._watching import measuring

        return measuring.placed(app, place, lambda: self.choose(app, view, None))

    def choose(self, app: Quart, view: Function | None, default: str | None) -> Place:
        """Choose the place, without the one that measuring puts around it."""
        if default in OF_CALLS:
            return OF_CALLS[default](app, view)
        name = None if view is None else chosen(view)
        if name is not None:
            return CHOICES[name]
        if view is not None and runs_async(view):
            return self.async_place(app)
        if default == translation.WEBSOCKET:
            return PLACES["thread"]
        return self.sync_place(app, default)

    def async_place(self, app: Quart) -> Place:
        """Return the place of async views, from the environment or else the configuration."""
        name, source = os.environ.get(ASYNC_VARIABLE), ASYNC_VARIABLE
        if not name:
            name, source = app.config.get("ASYNC_PLACE") or "loop", "app.config['ASYNC_PLACE']"
        if name not in {"loop", "own-loop"}:
            raise ValueError(
                f"Expected {source}, the place of async views, to be 'loop' or 'own-loop', got"
                f" {name!r}."
            )
        return CHOICES[name]

    def sync_place(self, app: Quart, default: str | None = None) -> Place:
        """Return the place of plain views, from the environment, *default* or the configuration."""
        name = os.environ.get(VARIABLE)
        if name:
            return place_named(name, VARIABLE)
        return place_named(
            default or app.config.get("SYNC_PLACE") or "thread", "app.config['SYNC_PLACE']"
        )

    def signal_for(self, app: Quart, signal: Signal) -> Signal:
        return signals.signal_for(app, signal)

    def wait(self, awaitable: Awaitable[T]) -> T:
        return bridge.wait(awaitable)

    def call_for_caller(
        self, method: Function, app: Quart, *args: object, **kwargs: object
    ) -> object:
        return quart_face.call_for_caller(method, app, args, kwargs)


def chosen(view: Function) -> str | None:
    while True:
        name = getattr(view, _ATTRIBUTE, None)
        # A view may be any callable, even one that returns something for every attribute.
        if isinstance(name, str):
            return name
        if not hasattr(view, "__wrapped__"):
            return None
        view = view.__wrapped__


def runs_async(view: Function) -> bool:
    """Whether *view* is async; a class-based view is async if all its methods are."""
    found = getattr(inspect.unwrap(view), "view_class", None)
    if not isinstance(found, type):
        return strategy.is_async(view)
    view_class: Any = found
    methods = [
        getattr(view_class, name.lower())
        for name in view_class.methods or ()
        if hasattr(view_class, name.lower())
    ]
    return all(map(strategy.is_async, methods or [view_class.dispatch_request]))


LAYER = Layer()
