"""A `Quart` application in the hands of plain code.

What plain code sees as ``current_app`` is another face of it, with Flask's synchronous methods. Who
has the `Quart` object itself, as an extension that was given it has, calls methods that are async.
These answer whoever calls: where there is only plain code, with the answer; where nothing bridges a
task, with an awaitable; and beneath an async view with something that is both (`both.py`).
"""

from __future__ import annotations

from functools import partial, wraps
from types import FunctionType
from typing import Any, cast

from quart._handling import either
from quart._handling.plan import internal_of
from quart._rendering import plain_face
from quart._threads import strategy
from quart._types import Function
from quart.app import Quart
from quart.ctx import AppContext as CoreContext

from .. import genuine, wrappers
from .._waiting import bridge, runner
from ..app import Flask
from ..ctx import core_of
from .both import Given, response_for_either

_FACE = "_flask_app"
#: The core's own methods, and what stands for those that need no pipeline, in plain code.
_CORES = frozenset(getattr(Quart, name) for name in either.NAMES)
_MAKE_RESPONSE: object = Quart.make_response
_FLASKS: dict[object, Any] = {
    getattr(Quart, name): getattr(Flask, name)
    for name in ("make_response", "open_instance_resource", "open_resource", "send_static_file")
}
#: What Flask calls some arguments, and the core.
_CORES_NAMES = {"e": "error", "rv": "result"}
#: Methods whose effect counts, or that do little: these are done at once.
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
    """A `Quart` application with synchronous methods: another face of the same instance dict.

    It equals the application, and to signals and dicts it is the application.
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
        """The application's templates as plain code, which waits as all plain code does."""
        return plain_face(self._quart.jinja_env)

    def _json(self) -> object:
        """Return the application's provider, making Flask's responses."""
        return type(self._quart.json)(cast(Any, self))

    json: Any = property(_json)


def _forwarded(name: str) -> Function:
    @wraps(getattr(Flask, name))
    def method(self: QuartFace, *args: object, **kwargs: object) -> object:
        bound = getattr(self._quart, name)
        return call_for_plain_code(either.function_of(bound), self._quart, args, kwargs, bound)

    return method


# A subclass of `Quart` may have its own.
for _name in either.NAMES:
    setattr(QuartFace, _name, _forwarded(_name))


def face_of(core: CoreContext) -> object:
    """Return *core*'s application as plain code is to see it."""
    return face_of_app(core.app)


def face_of_app(app: Any) -> object:
    # Not `isinstance`, which takes any application for Flask's.
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
    """Stands in for blinker's `make_id`: to signals the faces of an application are one sender."""
    return genuine.make_id(obj._quart if type(obj) is QuartFace else obj)


def call_for_plain_code(
    method: Function,
    app: object,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    bound: Function | None = None,
) -> object:
    """Return what *method* of *app*, or of a blueprint, gives, to plain code."""
    if type(method) is FunctionType and method in _FLASKS:
        return _FLASKS[method](face_of_app(app), *args, **kwargs)
    if method in _CORES:
        # Flask's own code passes the context that is its.
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
    """Return what *method* of *app*, or of a blueprint, gives, to plain code or to async code."""
    upper = bridge.above()
    if upper is None and runner.loop_runs():
        # Nothing can be waited for in such a task.
        return method(app, *args, **kwargs)
    plain = partial(call_for_plain_code, method, app, args, kwargs)
    if not isinstance(upper, bridge.Bridge):
        # On a loop there would be a bridge, so this is no async code.
        return plain()
    if method is _MAKE_RESPONSE:
        return response_for_either(app, plain())
    if method in _AT_ONCE:
        value = plain()
        return Given(lambda: value, partial(_ready, wrappers.core_response_of(app, value)))
    return Given(plain, partial(method, app, *args, **kwargs))


async def _ready(value: object) -> object:
    return value
