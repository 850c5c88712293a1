"""An application as the development server serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .._connection.disclosure import is_on_this_machine, SHOWN, SOURCE, VARIABLES


class Development:
    """An ASGI application as the development server serves it; all else is the application's."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, SHOWN: VARIABLES if is_on_this_machine(scope) else SOURCE}
        await self._app(scope, receive, send)
