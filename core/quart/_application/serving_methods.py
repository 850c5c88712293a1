"""The application's methods for being served: start, shutdown, background tasks, running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast, ClassVar, TYPE_CHECKING, TypeVar

from .._serving import at_exit, lifespan
from .._types import Function

if TYPE_CHECKING:
    from ..app import Quart
    from ..typing import AfterServingCallable, BeforeServingCallable, WhileServingCallable

T_before_serving = TypeVar("T_before_serving", bound="BeforeServingCallable")
T_while_serving = TypeVar("T_while_serving", bound="WhileServingCallable")
T_after_serving = TypeVar("T_after_serving", bound="AfterServingCallable")


class ServingMethods:
    """Hooks and tasks of an application that is served."""

    #: Functions by which requests come in other than by ASGI, as (owner, name).
    _other_entries: ClassVar[list[tuple[object, str]]] = []

    before_serving_funcs: list[Callable[[], Any]]
    while_serving_gens: list[Any]
    after_serving_funcs: list[Callable[[], Any]]

    @property
    def _app(self) -> Quart:
        return cast("Quart", self)

    def before_serving(self, func: T_before_serving) -> T_before_serving:
        """Run *func* once, before the application serves."""
        self.before_serving_funcs.append(func)
        return func

    def while_serving(self, func: T_while_serving) -> T_while_serving:
        """Run the async generator *func* to its `yield` before serving, and on after it."""
        self.while_serving_gens.append(lifespan.WhileServing(func))
        return func

    def after_serving(self, func: T_after_serving) -> T_after_serving:
        """Run *func* once, after the application has served."""
        self.after_serving_funcs.append(func)
        return func

    async def startup(self) -> None:
        """Run what was registered to run before serving."""
        await lifespan.startup(self._app)

    async def shutdown(self) -> None:
        """Wait for background tasks, then run what was registered to run after serving."""
        await lifespan.shutdown(self._app)

    def _see_to_end(self) -> None:
        at_exit.see_to_end(self._app)

    def add_background_task(self, func: Function, *args: Any, **kwargs: Any) -> None:
        """Run *func* in the application's context beside the requests.

        Its errors are logged. On shutdown it has BACKGROUND_TASK_SHUTDOWN_TIMEOUT seconds to end.
        """
        lifespan.add_background_task(self._app, func, *args, **kwargs)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        use_reloader: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Serve the application on hypercorn, for development, until interrupted."""
        lifespan.run(
            self._app, host, port, debug, use_reloader, loop, ca_certs, certfile, keyfile, **kwargs
        )

    def run_task(
        self,
        host: str = "127.0.0.1",
        port: int = 5000,
        debug: bool | None = None,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        shutdown_trigger: Callable[..., Awaitable[None]] | None = None,
    ) -> Coroutine[None, None, None]:
        """Return a coroutine that serves the application until *shutdown_trigger* returns."""
        return lifespan.run_task(
            self._app, host, port, debug, ca_certs, certfile, keyfile, shutdown_trigger
        )
