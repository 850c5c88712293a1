"""On Flask, the counterpart of a run through a server: the application is called in a thread.

A server never calls an application in the thread of a test. Flask's client does, so tests may
keep in their thread what the views then find there, such as an in-memory database. Such a test
fails on Flask too once a server's thread makes the call. Use this as a plugin of pytest; it needs
nothing but the row's environment.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context

import flask
from werkzeug import test

# As many as a view needs whose code calls the application again.
_threads = ThreadPoolExecutor(32, "server")
_genuine: Callable[..., object] = test.run_wsgi_app


def run_wsgi_app(app: object, *args: object, **kwargs: object) -> object:
    """Call a Flask application in another thread, in a context without anything of the test's."""
    if not isinstance(app, flask.Flask):
        return _genuine(app, *args, **kwargs)
    return _threads.submit(lambda: Context().run(_genuine, app, *args, **kwargs)).result()


test.run_wsgi_app = run_wsgi_app  # type: ignore[assignment]  # it takes and gives the same
