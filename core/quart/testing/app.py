"""Run an app's serving hooks around a test."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, TYPE_CHECKING

from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, LifespanScope

from ..typing import TestClientProtocol

if TYPE_CHECKING:
    from ..app import Quart

#: Seconds for start-up and for shutdown.
DEFAULT_TIMEOUT = 6


class LifespanError(Exception):
    """Raised when the app reports that its start-up or its shutdown failed."""


class TestApp:
    """Start the app on entering and stop it on leaving, through the ASGI lifespan.

    ``async with app.test_app() as test_app`` runs the functions of ``before_serving``,
    ``while_serving`` and ``after_serving`` as a server would.
    """

    __test__ = False  # pytest must not collect it, whatever its name says.

    def __init__(
        self,
        app: Quart,
        startup_timeout: int = DEFAULT_TIMEOUT,
        shutdown_timeout: int = DEFAULT_TIMEOUT,
    ) -> None:
        self.app = app
        self.startup_timeout = startup_timeout
        self.shutdown_timeout = shutdown_timeout
        self._startup = asyncio.Event()
        self._shutdown = asyncio.Event()
        self._app_queue: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def test_client(self) -> TestClientProtocol:
        """Return a client for the app."""
        return self.app.test_client()

    async def startup(self) -> None:
        """Run the start-up.

        Raises:
            LifespanError: if the app reports that it failed; or the app's own error.
        """
        scope: LifespanScope = {
            "type": "lifespan",
            "asgi": {"spec_version": "2.0", "version": "3.0"},
            "state": {},
        }
        self._task = asyncio.create_task(self.app(scope, self._asgi_receive, self._asgi_send))
        self._app_queue.put_nowait({"type": "lifespan.startup"})
        await self._await_phase("startup", self._startup, self.startup_timeout)

    async def shutdown(self) -> None:
        """Run the shutdown.

        Raises:
            LifespanError: if the app reports that it failed; or the app's own error.
        """
        self._app_queue.put_nowait({"type": "lifespan.shutdown"})
        await self._await_phase("shutdown", self._shutdown, self.shutdown_timeout)
        if self._task is not None:
            await self._task

    async def __aenter__(self) -> Self:
        await self.startup()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            await self.shutdown()
        except Exception as error:
            if exc_value is None:
                raise
            # Let the test's own failure pass, which may be the cause of this one.
            exc_value.add_note(f"the shutdown of the app failed too: {error!r}")

    async def _await_phase(self, phase: str, answered: asyncio.Event, timeout: float) -> None:
        task = self._task
        if task is None:
            raise RuntimeError(
                "Expected a started app, got one without startup(). Await startup() before"
                " shutdown()."
            )
        waiter = asyncio.create_task(answered.wait())
        try:
            # If the app ends without an answer, the test must not wait for one.
            await asyncio.wait({task, waiter}, timeout=timeout, return_when="FIRST_COMPLETED")
        finally:
            waiter.cancel()
        if task.done():
            await task
        elif not answered.is_set():
            task.cancel()
            raise TimeoutError(
                f"Expected the {phase} of the app within {timeout} seconds, got no answer. Look for"
                " what it waits for."
            )

    async def _asgi_receive(self) -> ASGIReceiveEvent:
        return await self._app_queue.get()

    async def _asgi_send(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._startup.set()
            case "lifespan.shutdown.complete":
                self._shutdown.set()
            case "lifespan.startup.failed":
                # Raised inside the app, so that the app's own error is seen as its context.
                raise LifespanError(f"The start-up failed: {message.get('message', '')}")
            case "lifespan.shutdown.failed":
                raise LifespanError(f"The shutdown failed: {message.get('message', '')}")
