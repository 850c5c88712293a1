"""Wrap an application for the development server."""

from __future__ import annotations

from typing import Any

from .._connection.disclosure import is_on_this_machine, SHOWN, SOURCE, VARIABLES
from .._formats.headers import encode_headers
from .._types import Receive, Scope, Send


class Development:
    """The ASGI application for the development server; other attributes are the application's."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, SHOWN: VARIABLES if is_on_this_machine(scope) else SOURCE}
        await self._app(scope, receive, send)


class Broken:
    """The ASGI application that is served if the program does not start, until you mend it."""

    def __init__(self, error: BaseException, debug: bool) -> None:
        self._error = error
        #: Whether the response shows the error; the terminal always does.
        self.debug = debug

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if scope["type"] == "lifespan":
            for phase in "lifespan.startup", "lifespan.shutdown":
                await receive()
                await send({"type": f"{phase}.complete"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011, "reason": ""})
        else:
            headers, body = await self._page(is_on_this_machine(scope))
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _page(self, show_variables: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
        if not self.debug:
            body = b"The program does not start; the terminal shows why."
            return [(b"content-type", b"text/plain")], body
        from ..debug import traceback_response

        response = await traceback_response(self._error, show_variables=show_variables)
        return encode_headers(response.headers), await response.get_data(as_text=False)
