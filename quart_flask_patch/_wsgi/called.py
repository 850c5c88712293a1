"""Answer a WSGI call as Flask does: by calling plain code, here and now.

The pipeline's coroutines are stepped by hand. No event loop is involved until something has to be
awaited; then the application's whole coroutine goes to one (`bridge.wait`). WSGI middleware around
an ASGI request ends in such a call too, in the request's thread or on its loop.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from types import MethodType
from typing import Any, cast, TYPE_CHECKING, TypeVar

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as WSGIResponse

from quart._connection.outbound import is_called
from quart._handling import pipeline
from quart._kind import REQUEST
from quart._stock import Stock
from quart._threads import lease, pool, strategy, stream
from quart._threads.worker import current_work, WorkGreenlet
from quart._types import CoroutineOf, Environ, Function, StartResponse
from quart.app import Quart
from quart.asgi import ASGIHTTPConnection, headers_of
from quart.wrappers import Response as CoreResponse

from .. import _places, wrappers
from .._entry import wsgi_entry
from .._environs import translation
from .._places import Loop, place_named, SyncPlace, Thread, VARIABLE
from .._waiting import bridge, loop_thread, runner
from ..app import Flask
from ..ctx import face_of
from . import exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from quart._threads.strategy import Place
    from quart.ctx import AppContext

    from .middleware import Pending

T = TypeVar("T")

_END: object = object()


# Where the code of a call runs


class Here(SyncPlace):
    """In the thread that made the call, directly."""

    name = "here"
    is_callers = True

    def adapt(self, func: Function) -> Function:
        return func

    async def run(self, ctx: AppContext, override: Function, *args: object) -> object:
        return override(*args)

    async def resolve(self, awaitable: Awaitable[T]) -> T:
        return bridge.wait(awaitable)

    def step(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        """Call *func*, a step of the response's body."""
        return func(*args)


class OnLoop(Loop):
    """The whole request on an event loop: the caller's, or one of this thread's own.

    Where neither is possible, the request's async functions are awaited elsewhere, one by one.
    """

    begins_at_once = False

    async def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> T:
        above = bridge.above()
        if type(above) is WorkGreenlet or (above is not None and _places.is_watched(ctx)):
            return bridge.wait(_awaited(self.enter_loop(ctx, work)))
        if above is None and (run := runner.kept_here()) is not None:
            return run(_awaited(self.enter_loop(ctx, work)))
        return await work(ctx)

    def enter_loop(
        self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]
    ) -> Awaitable[T]:
        """Run all of *work* on a loop; the caller waits for it."""
        return super().enter(ctx, work)

    async def resolve(self, awaitable: Awaitable[T]) -> T:
        return bridge.wait(awaitable)

    async def run(self, ctx: AppContext, override: Function, *args: object) -> object:
        return override(*args)

    def step(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        if current_work() is None:
            return func(*args)
        return bridge.wait(_awaited(bridge.call_bridged(func, *args)))


def _wait_for_work(work: Callable[[AppContext], CoroutineOf[T]], ctx: AppContext) -> T:
    # Unlike `_places.wait_for_work`, leave a file as the body: the caller may want it as it is.
    return cast(T, strategy.wait_for(work(ctx)))


class InThread(Thread):
    """In a worker thread, while the caller waits; in this thread if it is a worker already."""

    is_callers = True

    async def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> T:
        above = bridge.above()
        if type(above) is WorkGreenlet:
            return await work(ctx)
        if ctx._lease is None:
            ctx.lease = _blocking_lease(ctx.app) if above is None else _places.lease_of(ctx.app)
        return cast(T, self.step(ctx, _wait_for_work, work, ctx))

    def step(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        if ctx._lease is None or current_work() is not None:
            return func(*args)
        return bridge.wait(ctx._lease.call(func, *args), strategy.wait_for)

    def iterate(
        self, ctx: AppContext, iterable: Iterable[object]
    ) -> AsyncGenerator[Sequence[object], None]:
        assert ctx.lease is not None
        # The middleware has ended, and its thread is free for the body.
        return stream.iterate(ctx.lease, iterable)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _waited(awaitable: Awaitable[T]) -> T:
    return bridge.wait(awaitable)


def _blocking_lease(app: object) -> lease.Lease:
    """Return a lease for a caller that is no task: it blocks while the thread works."""
    return lease.Lease(pool.pool_of(app), _waited, loop_thread.Mailbox)


HERE, ON_LOOP, IN_THREAD = Here(), OnLoop(), InThread()


def _place_of_call(app: Quart, view: Function | None) -> Place:
    chosen = None if view is None else _places.chosen(view)
    if chosen is None and view is not None and _places.runs_async(view):
        chosen = "async"
    if chosen is None and (name := os.environ.get(VARIABLE)):
        chosen = place_named(name, VARIABLE).name
    if chosen == "thread":
        return IN_THREAD
    return ON_LOOP if view is not None and _places.runs_async(view) else HERE


def _place_behind_middleware(app: Quart, view: Function | None) -> Place:
    place = _places.LAYER.choose(app, view, None)
    if place.name == "own-loop":
        return place
    return IN_THREAD if place.name == "thread" else ON_LOOP


_places.OF_CALLS.update(
    {translation.CALLED: _place_of_call, translation.BEHIND_MIDDLEWARE: _place_behind_middleware}
)


#: Middleware that only calls what it wraps, and never blocks itself.
_PROXY_FIX = Stock(ProxyFix, "__call__")
_DISPATCHER = Stock(DispatcherMiddleware, "__call__")


def place_of_middleware(middleware: Any) -> Place:
    """Return where WSGI middleware runs: in a thread, as it may block whatever the views do.

    Middleware that never blocks can choose the loop, by `runs_in`.
    """
    return _places.PLACES[_places.chosen(middleware) or "thread"]


def passes_on(middleware: Any) -> bool:
    """Whether *middleware* only changes the environ and returns what the application returns.

    If so, all that it wraps are applications on the layer.
    """
    middleware_class = type(middleware)
    if middleware_class is MethodType:
        return Flask._wsgi_apps.has(middleware.__func__)
    if middleware_class is ProxyFix:
        return _PROXY_FIX.of(middleware_class) and passes_on(middleware.app)
    if middleware_class is DispatcherMiddleware:
        apps = middleware.app, *middleware.mounts.values()
        return _DISPATCHER.of(middleware_class) and all(map(passes_on, apps))
    return issubclass(middleware_class, Flask) and passes_on(wsgi_entry(middleware))


# The call


def wsgi_app(app: Flask, environ: Environ, start_response: StartResponse) -> object:
    """Answer a WSGI call, through the application's own `asgi_app` and the like if it has any."""
    pending = environ.get(translation.PENDING)
    if pending is not None and pending.goes_on:
        del environ[translation.PENDING]
        return pending.passed_through(app, environ, start_response)
    if not runner.loop_runs() or bridge.can_wait():
        return _respond(app, environ, start_response)
    # This call holds up the running loop, so another loop must await what it waits for.
    with runner.called():
        return _HoldingLoop(_respond(app, environ, start_response))


def _respond(app: Flask, environ: Environ, start_response: StartResponse) -> object:
    if not _can_answer(app):
        return exchange.respond(app, environ, start_response)
    if translation.PENDING in environ:
        return _call(app, environ, start_response)
    return respond(app, environ, start_response)


def _can_answer(app: Any) -> bool:
    """Whether the pipeline alone answers: nothing that the application has replaced comes first."""
    return (
        app._asgi_apps.within(app)
        and app.asgi_http_class is ASGIHTTPConnection
        and app._plans.stages(app, REQUEST).handle is pipeline.handle
    )


def respond(app: object, environ: Environ, start_response: StartResponse) -> object:
    """Answer a WSGI call that did not begin as an ASGI request."""
    return _call(app, environ, start_response)


Quart._other_entries.append((sys.modules[__name__], respond.__name__))


def _call(app: Any, environ: Environ, start_response: StartResponse) -> object:
    request = translation.connection_of(app, environ)
    ctx = app._context_for(request)
    call = _Call(environ, start_response)
    # The pipeline calls this at the end of the request, and then calls the response itself.
    request.scope["quart.closing"] = call.close_context  # type: ignore[typeddict-unknown-key]  # ours
    request.scope["quart.calling"] = True  # type: ignore[typeddict-unknown-key]  # ours
    try:
        strategy.wait_for(pipeline.handle(app, ctx, request))
    finally:
        # Break the reference cycle between the call and its context.
        body, call.body = call.body, ()
        if not isinstance(body, Answer):
            ctx.release()
    return body


class _Call:
    """One WSGI call: its arguments and its response's body."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response
        self.body: object = ()

    def close_context(self, core: AppContext, response: object) -> None:
        """Start the response while the context is still active, as Flask does.

        WSGI middleware that wraps `start_response` may use the context.
        """
        if response is not None:
            self.body = self._respond(core, _flasks_own(core, response))
        preserve = translation.preserving(self._environ, core.request.scope)
        if preserve is not None:
            preserve(face_of(core))

    def _respond(self, core: AppContext, response: Any) -> object:
        if _pending(core) is not None and not is_called(response):
            self._start_response(response.status, list(headers_of(core, response)))
            return Answer(core, response, self._environ)
        if isinstance(core.home, InThread) and core._lease is not None and not _is_whole(response):
            return Answer(
                core, response, self._environ, response(self._environ, self._start_response)
            )
        return response(self._environ, self._start_response)


def _flasks_own(core: AppContext, response: object) -> object:
    if isinstance(response, CoreResponse):
        return wrappers.response_of(core.app, response)
    if isinstance(response, WSGIResponse):
        body = response.response
        if hasattr(body, "__aiter__") and not hasattr(body, "__next__"):
            response.response = wrappers.SyncStream(cast(Any, body))
    return response


def _pending(core: AppContext) -> Pending | None:
    """Return the request that waits for WSGI middleware, if this one has come through any."""
    return cast("Pending | None", core.request.scope.get(translation.PENDING))


def _is_whole(response: object) -> bool:
    return (
        isinstance(response, WSGIResponse)
        and response.is_sequence
        and not response._on_close
        and not hasattr(response.response, "close")
    )


class Answer:
    """A response's body; each piece is made in the place where the request runs."""

    def __init__(
        self, core: AppContext, response: Any, environ: Environ, pieces: object = None
    ) -> None:
        self.core = core
        self.response = response
        self._environ = environ
        self._pieces = pieces
        self._closed = False
        # Keep the place now: a stream that pushes its context again changes the plan. A body that
        # is there as a whole needs none.
        self._place: Any = HERE if _is_whole(response) else core.home
        if core._lease is not None and not core.borrows:
            weakref.finalize(self, core._lease.abandon).atexit = False

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been read yet, so the response can be sent without this object."""
        return self._pieces is None and not self._closed

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = self._step(next, self._opened(), _END)
        except BaseException as error:
            pending = _pending(self.core)
            if isinstance(error, (Exception, KeyboardInterrupt, SystemExit)) or pending is None:
                raise
            # The client has left. To the middleware this is the body's end, and not an error.
            pending.given_up = error
            raise StopIteration from None
        if piece is _END:
            if not self.response._on_close:
                self.core.release()
            raise StopIteration
        return cast(bytes, piece)

    def _opened(self) -> object:
        if self._pieces is None:
            self._pieces = iter(self.response.get_app_iter(self._environ))
        return self._pieces

    def _step(self, func: Function, *args: object) -> object:
        return self._place.step(self.core, func, *args)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                close = getattr(self._pieces, "close", None) or self.response.close
                self._step(close)
            finally:
                self.core.release()


class _HoldingLoop:
    """A body whose reader holds up the event loop of its thread."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self._iterator: Iterator[bytes] = iter(body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with runner.called():
            return next(self._iterator)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with runner.called():
                close()
