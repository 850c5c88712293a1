"""The development server: hypercorn for one app, with reloading and a bounded shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click
from flask.helpers import get_debug_flag as get_flasks_debug_flag
from hypercorn.asyncio import serve as hypercorn_serve

from .._types import CoroutineOf, Message, Receive, Scope, Send
from ..helpers import get_debug_flag
from . import reloader
from .development import Broken, Development
from .server_config import ASGIApp, ServeOptions, ServerConfig

#: Seconds that open requests have to end when the server stops. After a longer time hypercorn
#: cancels everything itself, unfinished websockets included.
GRACE = 2.0
#: Seconds that a cancelled request has to clean up.
CLEANUP = 1.0
#: Seconds after which another request to stop counts. Under the reloader, an interrupt from the
#: keyboard arrives twice: from the terminal and from the parent.
IMPATIENCE = 0.5
#: The close code of a websocket whose server goes away (RFC 6455, 7.4.1).
GOING_AWAY = 1001
#: The environment variable that tells a reloaded process which socket it inherits.
SERVER_FD = "QUART_SERVER_FD"


class Stop:
    """Asks a server to stop.

    A second request later ends its connections at once, and a third one everything that still runs.
    """

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._forced = asyncio.Event()
        self._last = asyncio.Event()
        self._since = 0.0

    def request(self) -> None:
        now = time.monotonic()
        if self._requested.is_set() and now - self._since < IMPATIENCE:
            return
        self._since = now
        for event in (self._requested, self._forced, self._last):
            if not event.is_set():
                event.set()
                return

    def force(self) -> None:
        self._requested.set()
        self._forced.set()

    async def requested(self) -> None:
        await self._requested.wait()

    async def forced(self) -> None:
        await self._forced.wait()

    async def given_up(self, started: asyncio.Event) -> None:
        """Wait until the user gives up the application's start or shutdown."""
        await self._requested.wait()
        if started.is_set():
            await self._last.wait()


class Connections:
    """The app with its open connections, so that a stop need not wait for them.

    Hypercorn waits for connections to end, without a limit on current versions of Python: one open
    event stream or websocket would keep the server from stopping.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._open: dict[asyncio.Task[object], _Connection] = {}
        self._lifespan: asyncio.Task[object] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._lifespan = asyncio.current_task()
            await self.app(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        connection = self._open[task] = _Connection(scope["type"] == "websocket", send)
        try:
            await self.app(scope, receive, connection.send)
        except asyncio.CancelledError:
            if not connection.stopped:
                raise
            task.uncancel()
        finally:
            del self._open[task]

    async def close(self, stop: Stop) -> None:
        """Close the websockets, wait for requests to end, and cancel those that do not."""
        for connection in list(self._open.values()):
            await connection.go_away()
        forced = asyncio.ensure_future(stop.forced())
        waiting = asyncio.ensure_future(self._all_ended())
        await asyncio.wait({forced, waiting}, timeout=GRACE, return_when="FIRST_COMPLETED")
        forced.cancel()
        waiting.cancel()
        for task, connection in list(self._open.items()):
            connection.stopped = True
            task.cancel()
        if self._open:
            await asyncio.wait(list(self._open), timeout=CLEANUP)

    async def end_lifespan(self) -> None:
        """Cancel the lifespan if it is left, as Hypercorn leaves one whose start is given up.

        A loop of the caller's would keep its task.
        """
        if self._lifespan is not None and not self._lifespan.done():
            self._lifespan.cancel()
            await asyncio.wait([self._lifespan], timeout=CLEANUP)

    async def _all_ended(self) -> None:
        # Include requests that come meanwhile over connections that are open already.
        while self._open:
            await asyncio.wait(list(self._open))


class _Connection:
    def __init__(self, is_websocket: bool, send: Send) -> None:
        self._is_websocket = is_websocket
        self._send = send
        self._accepted = False
        self._gone = False
        self.stopped = False

    async def send(self, message: Message) -> None:
        if self._gone:
            if message["type"] == "websocket.send":
                # ASGI: a server raises OSError if the client has gone.
                raise OSError("The server is stopping and has closed this websocket.")
            return
        self._accepted = self._accepted or message["type"] == "websocket.accept"
        self._gone = message["type"] == "websocket.close"
        await self._send(message)

    async def go_away(self) -> None:
        """Close a websocket; the client's answer then ends its handler, as a disconnect does."""
        if self._is_websocket and self._accepted and not self._gone:
            await self.send({"type": "websocket.close", "code": GOING_AWAY, "reason": None})


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask for a stop, if this thread may handle signals."""
    loop = asyncio.get_running_loop()
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before: dict[int, Any] = {}
    for number in numbers:
        handler = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, stop.request)
        except NotImplementedError:  # On Windows.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.request))
        except (RuntimeError, ValueError):  # Only the main thread may handle signals.
            continue
        before[number] = handler
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def serve(
    app: ASGIApp,
    config: ServerConfig,
    *,
    stop: Stop | None = None,
    shutdown_trigger: Callable[..., Awaitable[object]] | None = None,
) -> None:
    """Serve *app* until it is asked to stop.

    - *shutdown_trigger*: Returns to ask for a stop. Without it, SIGINT and SIGTERM ask.

    Raises:
        LifespanFailureError: if the app fails to start or to shut down.
    """
    stop = stop or Stop()
    connections = Connections(app)
    closing: list[asyncio.Task[None]] = []
    started = asyncio.Event()

    async def trigger() -> None:
        started.set()
        await (stop.requested() if shutdown_trigger is None else shutdown_trigger())
        if (event := getattr(app, "shutdown_event", None)) is not None:
            event.set()  # Endless responses may watch it.
        closing.append(asyncio.create_task(connections.close(stop)))

    config.log_to(app)
    config.create_sockets()
    try:
        if shutdown_trigger is not None:
            await hypercorn_serve(connections, config, shutdown_trigger=trigger, mode="asgi")
        else:
            with stop_on_signals(stop):
                serving = hypercorn_serve(
                    connections, config, shutdown_trigger=trigger, mode="asgi"
                )
                await _until(stop.given_up(started), serving)
    finally:
        await asyncio.gather(*closing)
        await connections.end_lifespan()
        config.close()


async def _until(
    given_up: Coroutine[None, None, None], serving: Coroutine[None, None, None]
) -> None:
    """Await *serving*; cancel it when *given_up* returns."""
    task, giving_up = asyncio.create_task(serving), asyncio.create_task(given_up)
    try:
        await asyncio.wait({task, giving_up}, return_when="FIRST_COMPLETED")
        if task.done():
            task.result()
    finally:
        giving_up.cancel()
        if not task.done():
            task.cancel()
            # Ignore what it raises, as that comes from the cancellation.
            await asyncio.wait({task}, timeout=CLEANUP)
            _ = task.done() and (task.cancelled() or task.exception())


def show_banner(
    name: str, framework: str | None, debug: bool, config: ServerConfig, reloads: bool
) -> None:
    """Print what is served, and where; without *framework*, the caller has printed the former."""
    if framework is not None:
        click.echo(f" * Serving {framework} app '{name}'")
        click.echo(f" * Debug mode: {'on' if debug else 'off'}")
    click.echo(" * Please use an ASGI server (e.g. Hypercorn) directly in production")
    for url in config.urls:
        click.echo(f" * Running on {url} (CTRL + C to quit)")
    if reloads:
        click.echo(" * Restarting when a file changes")


def run_app(
    load: Callable[[], ASGIApp],
    options: ServeOptions,
    *,
    name: str | None = None,
    framework: str | None = "Quart",
    use_reloader: bool = False,
    loop: asyncio.AbstractEventLoop | None = None,
) -> None:
    """Load an app and serve it until a signal asks for a stop, as commands named ``run`` do.

    - *load*: Returns the app, any ASGI application. Each reloaded process calls it again.
    - *name*: The app's name in the banner, in place of its own name.
    - *framework*: The framework's name in the banner; None if the caller has printed it.
    - *loop*: An event loop to use, and not to close, in place of a new one.

    Raises:
        RuntimeError: if an event loop is running in this thread.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError(
            "Expected no event loop in this thread, got one that is running, as in a notebook."
            " Start the server from a terminal, or serve the application on the running loop:"
            " `await hypercorn.asyncio.serve(app, hypercorn.Config())`. To try a view, use"
            " `app.test_client()`."
        )
    if use_reloader and reloader.is_child():
        _run_child(load, options, loop)
        return
    app, config = load(), ServerConfig.from_options(options)
    debug = bool(getattr(app, "debug", False))
    label = name or getattr(app, "name", None) or type(app).__name__
    show_banner(str(label), framework, debug, config, use_reloader)
    if use_reloader:
        tell = partial(_tell_of_failure, debug, options, config)
        sys.exit(reloader.supervise(_inherited(config), tell if os.name == "posix" else None))
    _run_loop(loop, debug, serve(Development(app), config))


def _inherited(config: ServerConfig) -> dict[str, str]:
    # The parent holds the socket, so no connection is refused while the child is replaced.
    return {SERVER_FD: str(config.bound()[0].fileno())} if os.name == "posix" else {}


def _run_child(
    load: Callable[[], ASGIApp], options: ServeOptions, loop: asyncio.AbstractEventLoop | None
) -> None:
    watcher = reloader.Watcher(options.extra_files, options.exclude_patterns)
    debug = get_debug_flag() or get_flasks_debug_flag()
    try:
        app = Development(load())
        debug = bool(getattr(app, "debug", debug))
        watcher.changed()  # Record the files, so that each later change is noticed.
        must_reload = _run_loop(
            loop, debug, _serve_and_watch(app, _config_of_child(options), watcher)
        )
    except Exception as error:
        # A syntax error must not end the session: wait until you correct it.
        watcher.show(error)
        must_reload = _serve_error(Broken(error, debug), options, watcher)
    if must_reload:
        sys.exit(reloader.RELOAD_EXIT_CODE)


def _tell_of_failure(
    debug: bool,
    options: ServeOptions,
    parent: ServerConfig,
    error: BaseException,
    watcher: reloader.Watcher,
) -> bool:
    """Answer in the parent process for a child that has ended before it could serve."""
    config = ServerConfig.from_options(options)
    config.inherit(str(os.dup(parent.bound()[0].fileno())))
    return bool(_run_loop(None, False, _serve_and_watch(Broken(error, debug), config, watcher)))


def _config_of_child(options: ServeOptions) -> ServerConfig:
    config = ServerConfig.from_options(options)
    if SERVER_FD in os.environ:
        # Use a copy, as serving closes the socket.
        config.inherit(str(os.dup(int(os.environ[SERVER_FD]))))
    return config


def _serve_error(app: ASGIApp, options: ServeOptions, watcher: reloader.Watcher) -> bool:
    """Answer with an error page until a file changes; return whether one did."""
    try:
        return bool(
            _run_loop(None, False, _serve_and_watch(app, _config_of_child(options), watcher))
        )
    except Exception:
        # The error may be the server's own, about an address or a certificate.
        watcher.wait_to_mend()


async def _serve_and_watch(app: ASGIApp, config: ServerConfig, watcher: reloader.Watcher) -> bool:
    stop = Stop()

    async def watch() -> None:
        await watcher.wait()
        click.echo(" * Detected a change, reloading")
        stop.force()

    watching = asyncio.create_task(watch())
    try:
        await serve(app, config, stop=stop)
    finally:
        must_reload = watching.done() and not watching.cancelled()
        watching.cancel()
    return must_reload


def _run_loop(
    loop: asyncio.AbstractEventLoop | None, debug: bool, main: CoroutineOf[object]
) -> object:
    if loop is not None:
        loop.set_debug(debug)
        return loop.run_until_complete(main)
    with asyncio.Runner(debug=debug) as runner:
        return runner.run(main)
