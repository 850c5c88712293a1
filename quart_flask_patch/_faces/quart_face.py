"""A `Quart` application as plain code sees it.

Plain code gets another face of the application as ``current_app``, with Flask's synchronous
methods. An extension that was given the `Quart` object itself calls methods that are async. Those
answer by their caller: plain code gets the answer; a task without a bridge gets an awaitable; and
beneath an async view, the caller gets an object that is both (`both.py`).
"""

from __future__ import annotations

from functools import partial, wraps
from types import FunctionType
from typing import Any, cast

from quart._handling import either
from quart._handling.stage import internal_of
from quart._rendering import plain_face
from quart._threads import strategy
from quart._types import Function
from quart.app import Quart
from quart.ctx import AppContext as CoreContext

from .. import genuine, wrappers
from .._waiting import bridge, runner
from ..app import Flask
from ..ctx import core_of
from .both import LazyAnswer, response_for_either

_FACE = "_flask_app"
#: The core's methods that answer either caller; and Flask's, for those that need no pipeline.
_CORES = frozenset(getattr(Quart, name) for name in either.NAMES)
_MAKE_RESPONSE: object = Quart.make_response
_FLASKS: dict[object, Any] = {
    getattr(Quart, name): getattr(Flask, name)
    for name in ("make_response", "open_instance_resource", "open_resource", "send_static_file")
}
#: Flask's names of arguments, and the core's.
_CORES_NAMES = {"e": "error", "rv": "result"}
#: Methods that run at once, as callers want their effect, or as they do little.
_AT_ONCE = frozenset(
    {
        getattr(Quart, name)
        for name in (
            *("do_teardown_appcontext", "do_teardown_request"),
            *("preprocess_request", "update_template_context"),
        )
    }
)


class QuartFace(Flask):
    """A `Quart` application with synchronous methods, sharing the application's instance dict.

    It equals the application and hashes like it, so dicts and signals take the two for one.
    """

    __slots__ = ("_quart",)
    _quart: Quart

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._quart

    def __hash__(self) -> int:
        return hash(self._quart)

    @property
    def _core_app(self) -> object:
        return self._quart

    @property
    def jinja_env(self) -> Any:
        """The application's template environment for plain code, which waits where it must."""
        return plain_face(self._quart.jinja_env)

    def _json(self) -> object:
        """The application's JSON provider, bound to this face to make Flask's responses."""
        return type(self._quart.json)(cast(Any, self))

    json: Any = property(_json)


def _forwarded(name: str) -> Function:
    @wraps(getattr(Flask, name))
    def method(self: QuartFace, *args: object, **kwargs: object) -> object:
        bound = getattr(self._quart, name)
        return call_for_plain_code(either.function_of(bound), self._quart, args, kwargs, bound)

    return method


# Forwarded by name, since a subclass of `Quart` may override any of them.
for _name in either.NAMES:
    setattr(QuartFace, _name, _forwarded(_name))


def face_of(core: CoreContext) -> object:
    """Return *core*'s application as plain code sees it."""
    return face_of_app(core.app)


def face_of_app(app: Any) -> object:
    # `isinstance` would take any application for Flask's: see `_FlaskMeta`.
    if not issubclass(type(app), Quart) or issubclass(type(app), Flask):
        return app
    face = app.__dict__.get(_FACE)
    if face is None:
        face = QuartFace.__new__(QuartFace)
        face.__dict__ = app.__dict__
        face._quart = app
        app.__dict__[_FACE] = face
    return face


def make_id(obj: object) -> object:
    """Replace blinker's `make_id`: signals take both faces of an application for one sender."""
    return genuine.make_id(obj._quart if type(obj) is QuartFace else obj)


def call_for_plain_code(
    method: Function,
    app: object,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    bound: Function | None = None,
) -> object:
    """Call *method* of *app*, or of a blueprint, for plain code: wait for the answer."""
    if type(method) is FunctionType and method in _FLASKS:
        return _FLASKS[method](face_of_app(app), *args, **kwargs)
    if method in _CORES:
        # Flask's own code passes Flask's context.
        args = tuple(core_of(value) or value for value in args)
        kwargs = {_CORES_NAMES.get(name, name): value for name, value in kwargs.items()}
    if not issubclass(type(app), Flask):
        args = tuple(wrappers.core_response_of(app, value) for value in args)
    result = (bound or method.__get__(app))(*args, **kwargs)
    if method in _CORES and internal_of(method) is not None:
        result = strategy.wait_for(result)
    elif hasattr(result, "__await__"):
        result = bridge.wait(result)
    return wrappers.response_of(face_of_app(app), result)


def call_for_caller(
    method: Function, app: object, args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    """Call *method* of *app*, or of a blueprint, for a caller that may be plain or async code."""
    upper = bridge.above()
    if upper is None and runner.loop_runs():
        # Plain code cannot wait in such a task. Return what the core gives: an awaitable.
        return method(app, *args, **kwargs)
    plain = partial(call_for_plain_code, method, app, args, kwargs)
    if not isinstance(upper, bridge.Bridge):
        # Async code would have a bridge above, so the caller is plain code.
        return plain()
    if method is _MAKE_RESPONSE:
        return response_for_either(app, plain())
    if method in _AT_ONCE:
        value = plain()
        return LazyAnswer(lambda: value, partial(_ready, wrappers.core_response_of(app, value)))
    return LazyAnswer(plain, partial(method, app, *args, **kwargs))


async def _ready(value: object) -> object:
    return value
