"""The server's start and end, and what to do if a server does not announce them."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any, TYPE_CHECKING

from .._loops import forks
from .._loops.raised import as_raised
from .._loops.strays import is_failure
from .disclosure import SHOWN

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, LifespanScope

    from .._handling.plan import Stages
    from ..app import Quart


class ASGILifespan:
    """The server's start and end, as the application sees them."""

    def __init__(self, app: Quart, scope: LifespanScope) -> None:
        self.app = app

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        with ExitStack() as stack:
            await self._follow(receive, send, stack)

    async def _follow(
        self, receive: ASGIReceiveCallable, send: ASGISendCallable, stack: ExitStack
    ) -> None:
        while True:
            message = await receive()
            phase = message["type"].removeprefix("lifespan.")
            stage = self.app.startup if phase == "startup" else self.app.shutdown
            generation = forks.generation
            try:
                await stage()
            except BaseException as error:
                forks.end_if_child(generation, error)
                if not is_failure(error):
                    raise
                # Tell the server, which would otherwise go on without a lifespan or exit with
                # success.
                text = str(as_raised(error)) or type(error).__name__
                await send({"type": f"lifespan.{phase}.failed", "message": text})  # type: ignore[arg-type,misc]
                return
            if phase == "startup":
                from .._watching import served

                stack.callback(served.begin(self.app))
            await send({"type": f"lifespan.{phase}.complete"})  # type: ignore[arg-type,misc]
            if phase == "shutdown":
                return


def see_to_loop(app: Quart, scope: Any, stages: Stages) -> None:
    """Watch the loop of the first connection, if no lifespan has arranged for that."""
    # A test client's connection says nothing about a server.
    if SHOWN not in scope:
        from .._watching import served

        stages.is_watched = True
        with suppress(RuntimeError):  # A call without a loop cannot hold one up.
            served.see_to_loop(app)
            app._see_to_end()
