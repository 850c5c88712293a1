"""The ``__call__`` of a Flask application, for ASGI servers and WSGI servers.

Servers choose between the two by `iscoroutinefunction(app.__call__)`. Monitoring agents replace
`Flask.__call__` by a function with WSGI's two arguments, and subclasses define one. Such a function
is treated as WSGI middleware, so the application stays an ASGI application for servers.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from quart._stock import Watched
from quart._types import Function
from quart.app import Quart

WSGIFunction = Function


# Taken at import: an agent that replaces `Quart.__call__` later means Quart's applications.
_serve: Function = Quart.__call__


class BoundEntry(partial[Any]):
    """An application's bound ``__call__``: ASGI 3 with three arguments, WSGI with two.

    It is a partial of an async function, so `iscoroutinefunction` says yes.
    """

    #: The function that somebody has put in the place of ``__call__``, if any.
    replacement: WSGIFunction | None = None

    def __call__(self, /, *args: object, **kwargs: object) -> object:
        app = self.args[0]
        if len(args) == 3 and not kwargs:
            # As most servers call it. A call by `*args` takes twice as long.
            scope, receive, send = args
            return _serve(app, scope, receive, send)
        count = len(args) + len(kwargs)
        if count == 1:
            # ASGI 2: uvicorn calls so what is no async function, such as a proxy of wrapt.
            return partial(_serve, app, *args, **kwargs)
        # Servers may pass ASGI's arguments by name, as daphne does.
        if count != 2:
            return _serve(app, *args, **kwargs)
        return (self.replacement or app.wsgi_app)(*args, **kwargs)


class Entry:
    """The descriptor behind ``__call__`` of a class of Flask applications."""

    def __init__(self, replacement: WSGIFunction | None = None) -> None:
        self.replacement = replacement

    def __get__(self, app: object, owner: type) -> Any:
        if app is None:
            # Code that replaces `__call__` reads it first, to call it and to put it back later.
            return call if self.replacement is None else self.replacement
        entry = BoundEntry(_serve, app)
        if self.replacement is not None:
            entry.replacement = bound(self.replacement, app)
        return entry


def call(self: object, /, *args: object, **kwargs: object) -> object:
    """Serve as ASGI 2 if there is one argument, as WSGI if there are two, and else as ASGI 3."""
    return BoundEntry(_serve, self)(*args, **kwargs)


def _entry_of(function: Any) -> Entry:
    # Compare types: a mock of an `Entry` passes `isinstance`.
    if type(function) is Entry:
        return function
    return Entry(None if function is call else function)


def bound(function: Any, app: object) -> WSGIFunction:
    """Bind *function* to *app* as a method; leave it alone if it is no method, as a mock is not."""
    return function.__get__(app, type(app)) if hasattr(function, "__get__") else function  # type: ignore[no-any-return]  # of no known type


def wsgi_entry(app: Any) -> WSGIFunction:
    """Return what a WSGI server calls: the replaced ``__call__``, or else `app.wsgi_app`."""
    replacement = type(app).replaced_call
    return app.wsgi_app if replacement is None else bound(replacement, app)


class CalledByServers(Watched):
    """The metaclass that turns each function set as ``__call__`` into an `Entry`."""

    #: The function set as ``__call__`` on this class or on a base class, if any.
    replaced_call: WSGIFunction | None

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: object
    ) -> CalledByServers:
        cls = super().__new__(mcs, name, bases, namespace, **kwargs)
        if "__call__" in namespace:
            cls.__call__ = namespace["__call__"]  # type: ignore[method-assign]  # see `__setattr__`
        return cls

    def __setattr__(cls, name: str, value: object) -> None:
        if name == "__call__" and not iscoroutinefunction(value):
            value = _entry_of(value)
            super().__setattr__("replaced_call", value.replacement)
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        if name == "__call__" and "replaced_call" in vars(cls):
            super().__delattr__("replaced_call")
