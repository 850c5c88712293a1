"""Start and shut down an app, run it, and keep its background tasks."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast, TYPE_CHECKING
from weakref import WeakKeyDictionary

from .._connection import origins
from .._connection.isolation import clean_context
from .._handling.overrides import log_exception
from .._loops import forks
from .._loops.known import know_loop
from .._loops.mailbox import in_trio
from .._loops.raised import as_raised
from .._loops.strays import in_place_of, is_failure, may_leave
from .._threads import worker
from .._types import Function
from ..globals import _cv_app
from ..helpers import get_debug_flag
from ..signals import got_background_exception, got_serving_exception
from ..utils import run_sync_iterable
from .loading import is_loading_app

if TYPE_CHECKING:
    from ..app import Quart

Hook = Callable[[], Any]

#: Seconds that a cancelled background task has to clean up.
CANCEL_TIMEOUT = 1.0
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 5000

#: The running ``while_serving`` generators of each app, in the order in which they began.
_entered: WeakKeyDictionary[Quart, list[AbstractAsyncContextManager[object]]] = WeakKeyDictionary()


class WhileServing:
    """A function given to `while_serving`; `anext` continues the generator of its last call."""

    def __init__(self, func: Callable[[], object]) -> None:
        self.func = func

    def __call__(self) -> AsyncIterator[object]:
        self.running = _as_async(self.func())
        return self.running

    async def __anext__(self) -> object:
        return await anext(self.running)


async def startup(app: Quart) -> None:
    """Run the functions for the start, and the ``while_serving`` generators up to their `yield`.

    If one fails, the error is logged and raised, and what has started is ended again.
    """
    origins.check(app)
    app.shutdown_event = app.event_class()
    entered = _entered[app] = []
    if not (app.before_serving_funcs or app.while_serving_gens):
        return  # As with Flask, no teardown function runs before the first request.
    async with app.app_context():
        try:
            for func in app.before_serving_funcs:
                await app.ensure_async(func)()
            for generate in app.while_serving_gens:
                manager = _as_manager(generate)
                await manager.__aenter__()
                entered.append(manager)
        except BaseException as error:
            await _report(app, error)
            for manager in reversed(_entered.pop(app)):
                await _attempt(app, _leave, manager, error)
            raise


async def shutdown(app: Quart) -> None:
    """Wait for handlers and background tasks, end the generators, run the functions for the end.

    All of this is tried, whatever fails. Errors are logged, and raised at the end: a single one as
    it is, several as an exception group.
    """
    app.shutdown_event.set()
    await end_connections(app)
    await end_background_tasks(app)
    managers = _entered.pop(app, [])
    if not (managers or app.after_serving_funcs):
        return
    async with app.app_context():
        errors = [
            *[await _attempt(app, _leave, manager) for manager in reversed(managers)],
            *[await _attempt(app, app.ensure_async(func)) for func in app.after_serving_funcs],
        ]
    failures = [error for error in errors if error is not None]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup("Several functions failed while the app shut down.", failures)


def _as_manager(generate: object) -> AbstractAsyncContextManager[object]:
    # asynccontextmanager checks that a generator yields once and then ends.
    def generator() -> AsyncIterator[object]:
        return _as_async(generate() if callable(generate) else generate)

    return asynccontextmanager(generator)()


def _as_async(made: Any) -> AsyncIterator[object]:
    return cast(AsyncIterator[Any], made if hasattr(made, "__anext__") else run_sync_iterable(made))


async def _leave(
    manager: AbstractAsyncContextManager[object], error: BaseException | None = None
) -> None:
    try:
        if error is None:
            await manager.__aexit__(None, None, None)
        else:
            await manager.__aexit__(type(error), error, error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            raise


async def _attempt(
    app: Quart, func: Callable[..., Awaitable[object]], *args: object
) -> BaseException | None:
    try:
        await func(*args)
    except BaseException as error:
        if not is_failure(error):
            raise
        await _report(app, error)
        return error
    return None


async def _report(app: Quart, error: BaseException) -> None:
    error = as_raised(error)
    if isinstance(error, Exception):
        await app._emit(got_serving_exception, exception=error)
    if is_failure(error):
        log_exception(app, _cv_app.get(None), error, error.__traceback__)


def add_background_task(app: Quart, func: Function, *args: object, **kwargs: object) -> None:
    """Run a function beside the requests; plain views may call this from their threads."""
    work = worker.current_work()
    if work is not None:
        # Use the server's loop, as a loop of the thread's own ends with the request.
        work.hand_over(_start_background_task(app, func, args, kwargs))
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "Expected a running event loop for a background task, got none. Add it from a"
            " request, a websocket or a before_serving function."
        ) from None
    _create_background_task(app, func, args, kwargs)


async def _start_background_task(
    app: Quart, func: Function, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    _create_background_task(app, func, args, kwargs)


def _create_background_task(
    app: Quart, func: Function, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    task = asyncio.create_task(
        # The task outlives the request that adds it, and must not use what is that request's. Other
        # variables, a request id for the log for instance, are still wanted.
        _run_background(app, func, args, kwargs),
        context=clean_context(),
    )
    app.background_tasks.add(task)
    task.add_done_callback(app.background_tasks.discard)


async def _run_background(
    app: Quart, func: Function, args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    generation = forks.generation
    async with app.app_context():
        try:
            await app.ensure_async(func)(*args, **kwargs)
        except BaseException as error:
            forks.end_if_child(generation, error)
            raised = as_raised(error)
            if not isinstance(raised, Exception):
                if may_leave(raised):
                    raise
                raised = in_place_of(raised, "a background task")
            handled: object = app.handle_background_exception(raised)
            # A subclass may have a plain method.
            if hasattr(handled, "__await__"):
                await handled
        forks.end_if_child(generation)


async def handle_background_exception(app: Quart, error: Exception) -> None:
    """Signal and log what a background task raised."""
    await app._emit(got_background_exception, exception=error)
    log_exception(app, _cv_app.get(None), error, error.__traceback__)


def _tasks_here(app: Quart) -> set[asyncio.Task[None]]:
    """Return this loop's tasks; a forked child also has its parent's, a test its client's."""
    if in_trio():
        return set()  # Background tasks are asyncio's.
    loop = asyncio.get_running_loop()
    return {task for task in app.background_tasks if task.get_loop() is loop}


async def end_background_tasks(app: Quart) -> None:
    """Wait for the tasks, and for those that they add; cancel what has not ended in time."""
    if not _tasks_here(app):
        return
    timeout: float | None = app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"]
    try:
        async with asyncio.timeout(timeout):
            while tasks := _tasks_here(app):
                done, _ = await asyncio.wait(tasks)
                # Ours have gone by themselves; an extension may leave its own there.
                app.background_tasks.difference_update(done)
    except TimeoutError:
        if not (tasks := _tasks_here(app)):
            return
        for task in tasks:
            task.cancel()
        _, stuck = await asyncio.wait(tasks, timeout=CANCEL_TIMEOUT)
        for task in stuck:
            app.logger.warning("background task did not end when cancelled: %r", task)


async def end_connections(app: Quart) -> None:
    """Wait for handlers that are still ending, and cancel those that do not.

    A server may cancel handlers and go on at once, before their threads have noticed.
    """
    from .._watching.report import listed
    from .._watching.under_way import connections

    # Servers on Trio end a nursery, and wait for everything in it.
    if in_trio() or not (tasks := _handlers(app)):
        return
    timeout: float | None = app.config["CONNECTION_SHUTDOWN_TIMEOUT"]
    try:
        async with asyncio.timeout(timeout):
            while tasks:
                await asyncio.wait(tasks)
                tasks = _handlers(app)
    except TimeoutError:
        tasks = _handlers(app)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_TIMEOUT)
        if under_way := [each for each in connections(app) if each.task in tasks]:
            app.logger.warning(
                "These did not end when they were cancelled, so what follows may take away what"
                " they use:\n%s",
                listed(under_way),
            )


def _handlers(app: Quart) -> set[asyncio.Task[object]]:
    """Return the tasks of this loop that handle connections of *app*."""
    from .._watching.under_way import connections

    know_loop()
    tasks = {each.task for each in connections(app) if each.task is not None}
    here, loop = asyncio.current_task(), asyncio.get_running_loop()
    return {task for task in tasks if task is not here and task.get_loop() is loop}


def run(
    app: Quart,
    host: str | None = None,
    port: int | None = None,
    debug: bool | None = None,
    use_reloader: bool = True,
    loop: asyncio.AbstractEventLoop | None = None,
    ca_certs: str | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    **kwargs: object,
) -> None:
    """Serve *app* on hypercorn until a signal says to stop.

    SERVER_NAME supplies a host or port that you leave out. Nothing happens in a module
    that the `quart` command is importing: the command decides what runs.
    """
    from . import server, server_config

    if is_loading_app():
        warnings.warn(
            "app.run() is ignored while the 'quart' command loads the app; put the call under"
            " 'if __name__ == \"__main__\":'",
            stacklevel=3,
        )
        return

    if kwargs:
        warnings.warn(
            f"run() does not support {', '.join(kwargs)}; it is meant for development, serve with"
            " hypercorn itself for all of its settings",
            stacklevel=3,
        )
    _set_debug(app, get_debug_flag() if debug is None and "QUART_DEBUG" in os.environ else debug)
    server_host, _, server_port = (app.config["SERVER_NAME"] or "").partition(":")
    options = server_config.ServeOptions(
        host=host or server_host or DEFAULT_HOST,
        port=port if port is not None else int(server_port or DEFAULT_PORT),
        ca_certs=ca_certs,
        certfile=certfile,
        keyfile=keyfile,
    )
    server.run_app(lambda: app, options, use_reloader=use_reloader, loop=loop)


def _set_debug(app: Quart, debug: bool | None) -> None:
    if debug is not None:
        app.debug = debug


def run_task(
    app: Quart,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    debug: bool | None = None,
    ca_certs: str | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    shutdown_trigger: Callable[..., Awaitable[None]] | None = None,
) -> Coroutine[None, None, None]:
    """Return a coroutine that serves *app* until *shutdown_trigger* returns, or a signal comes."""
    from . import server, server_config

    _set_debug(app, debug)
    options = server_config.ServeOptions(
        host=host, port=port, ca_certs=ca_certs, certfile=certfile, keyfile=keyfile
    )
    config = server_config.ServerConfig.from_options(options)
    return server.serve(app, config, shutdown_trigger=shutdown_trigger)
