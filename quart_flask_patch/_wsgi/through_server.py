"""For test runs: requests of Flask's client reach an application as a server's do.

The client calls an application in the test's own thread. A server calls it as ASGI, on a loop that
runs in another thread. What a suite shows of the one it need not show of the other.
"""

from __future__ import annotations

from contextvars import Context
from functools import partial
from typing import Any, cast

from werkzeug import test

from quart._connection.entry import SHARED
from quart._types import Environ, Function

from .._environs import entry
from .._environs.body_stream import BY_WSGI
from .._waiting import apart
from ..app import Flask
from .exchange import Exchange, respond

#: What in a scope tells that it was made of an environ.
_OF_AN_ENVIRON = (BY_WSGI, SHARED, entry.EXCHANGED, "quart.undisturbed", "quart.closing")


class _Served(Exchange):
    """A request that a server would make of what the client sends."""

    def __init__(self, app: Flask, environ: Environ, start_response: Function) -> None:
        super().__init__(app, environ, start_response)
        self._home, self._context = _server(), Context()
        for key in _OF_AN_ENVIRON:
            self._scope.pop(key, None)
        entry.forget_environ(self._scope)
        # It tells the client of a context to keep, and no more.
        self._scope["quart.closing"] = self._preserve

    async def _call(self) -> None:
        await cast(Any, self._app)(self._scope, self._receive, self._send)


def _server() -> apart.Apart:
    global _running
    if _running is None:
        _running = apart.Apart()
    return _running


_running: apart.Apart | None = None


def install() -> None:
    """Let each request of Werkzeug's client, and so of Flask's, take that way from now on."""
    genuine = test.run_wsgi_app

    def run_wsgi_app(app: Any, *args: Any, **kwargs: Any) -> Any:
        if issubclass(type(app), Flask):
            app = partial(respond, app, exchange_class=_Served)
        return genuine(app, *args, **kwargs)

    test.run_wsgi_app = run_wsgi_app
