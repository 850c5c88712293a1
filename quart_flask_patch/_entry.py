"""How a Flask application is called: by ASGI servers and by WSGI servers, whatever is done to it.

Servers choose between the two by `iscoroutinefunction(app.__call__)`. Agents put a function with
WSGI's two arguments in the place of `Flask.__call__`, and subclasses define one. Such a function
becomes a part of the entry, as WSGI middleware around it, so that the application stays what it is.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from quart._stock import Watched
from quart._types import Function
from quart.app import Quart

WSGIFunction = Function


# Taken here, as an agent that replaces it means the applications that have no other entry.
_serve: Function = Quart.__call__


class BoundEntry(partial[Any]):
    """An application's bound ``__call__``.

    As a partial of an async function it is one, to whoever asks; with two arguments it is WSGI.
    """

    #: What has been put in the place of ``__call__``, if anything.
    replacement: WSGIFunction | None = None

    def __call__(self, /, *args: object, **kwargs: object) -> object:
        app = self.args[0]
        # ASGI's arguments have names, and daphne for one uses them.
        if len(args) + len(kwargs) != 2:
            return _serve(app, *args, **kwargs)
        return (self.replacement or app.wsgi_app)(*args, **kwargs)


class Entry:
    """The ``__call__`` of a class of Flask applications, and what replaces it there."""

    def __init__(self, replacement: WSGIFunction | None = None) -> None:
        self.replacement = replacement

    def __get__(self, app: object, owner: type) -> Any:
        if app is None:
            # Whoever replaces it asks for it first, to call it, and to put it back.
            return call if self.replacement is None else self.replacement
        entry = BoundEntry(_serve, app)
        if self.replacement is not None:
            entry.replacement = bound(self.replacement, app)
        return entry


def call(self: object, /, *args: object, **kwargs: object) -> object:
    """Answer a WSGI server, or be an ASGI application, as the arguments say."""
    return BoundEntry(_serve, self)(*args, **kwargs)


def _entry_of(function: Any) -> Entry:
    # By type: a mock of an entry says that it is one.
    if type(function) is Entry:
        return function
    return Entry(None if function is call else function)


def bound(function: Any, app: object) -> WSGIFunction:
    """Return what `app.function` is, if the class has *function*: a mock, for one, is no method."""
    return function.__get__(app, type(app)) if hasattr(function, "__get__") else function  # type: ignore[no-any-return]  # of no known type


def wsgi_entry(app: Any) -> WSGIFunction:
    """Return what a WSGI server calls: ``__call__``, unless nobody has replaced that."""
    replacement = type(app).replaced_call
    return app.wsgi_app if replacement is None else bound(replacement, app)


class CalledByServers(Watched):
    """A class with such an entry, and so each subclass: a function put there becomes part of it."""

    #: What has been put in the place of ``__call__`` here, or in a class that this derives from.
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
