"""In test runs: send the requests of Flask's client to an application as a server would.

Flask's client calls an application in the test's own thread. A server calls it as ASGI, on a loop
in another thread. A suite that passes the first way may fail the second way, so run it both ways.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from functools import partial
from typing import Any, cast, TYPE_CHECKING

from werkzeug import test
from werkzeug.wsgi import get_input_stream

from quart._connection.isolation import SHARED
from quart._types import Environ, Function

from .._environs import translation
from .._environs.body_stream import BY_WSGI
from .._waiting import loop_thread
from ..app import Flask
from .exchange import Exchange, respond

if TYPE_CHECKING:
    from quart.ctx import AppContext as CoreContext

#: The keys of a scope that was made from an environ.
_OF_AN_ENVIRON = (BY_WSGI, SHARED, translation.EXCHANGED, "quart.undisturbed", "quart.closing")


class _Served(Exchange):
    """A request as a server would make it from what the client sends."""

    def __init__(self, app: Flask, environ: Environ, start_response: Function) -> None:
        self._unsent = _body_of(environ)
        super().__init__(app, dict(environ), start_response)
        self._home, self._context = _server(), Context()
        for key in _OF_AN_ENVIRON:
            self._scope.pop(key, None)
        translation.forget_environ(self._scope)
        self._scope["quart.closing"] = self._look
        self._scope[translation.FOR_CLIENT] = translation.preserving(environ, self._scope)
        self._names: dict[str, str] = {}
        if self._unsent is not None:
            self._receive = self._client

    def _look(self, core: CoreContext, response: Any) -> None:
        """Keep the context for the client, and the spelling of the headers' names."""
        names = () if response is None else response.headers.keys()
        self._names = {name.lower(): name for name in names}
        self._preserve(core, response)

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        named = [(self._names.get(name.lower(), name), value) for name, value in headers]
        super()._start(status, named)

    async def _client(self) -> dict[str, object]:
        if self._unsent is None:  # The client stays connected until it has its answer.
            await asyncio.get_running_loop().create_future()
        body, self._unsent = self._unsent, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _call(self) -> None:
        try:
            await cast(Any, self._app)(self._scope, self._receive, self._send)
        except RuntimeError as error:
            # A server gets this in the place of what is no Exception, and the client gets that.
            if error.__cause__ is None or isinstance(error.__cause__, Exception):
                raise
            raise error.__cause__ from None


def _body_of(environ: Environ) -> bytes | None:
    """Return the body that the client sends, or None if it comes bit by bit.

    The client's stream keeps its position, so that it can be sent again after a redirect.
    """
    stream: Any = environ["wsgi.input"]
    if not stream.seekable():
        return None
    position = stream.tell()
    body = get_input_stream(environ).read()
    stream.seek(position)
    return body


def _server() -> loop_thread.LoopThread:
    global _running
    if _running is None:
        _running = loop_thread.LoopThread()
    return _running


_running: loop_thread.LoopThread | None = None


def install() -> None:
    """Send each request of Werkzeug's client, and so of Flask's, this way from now on."""
    genuine = test.run_wsgi_app

    def run_wsgi_app(app: Any, *args: Any, **kwargs: Any) -> Any:
        if issubclass(type(app), Flask):
            app = partial(respond, app, exchange_class=_Served)
        return genuine(app, *args, **kwargs)

    test.run_wsgi_app = run_wsgi_app
