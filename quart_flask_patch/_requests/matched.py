"""Ask a request class of Flask's for what the URL has matched, if the class has properties for it.

Flask keeps `url_rule`, `view_args` and `routing_exception` on its request. The two faces of a
request share their instance dict, so the core can keep them on its own face, except where a class
computes them.
"""

from __future__ import annotations

import weakref

from flask.wrappers import Request

from quart._stock import Stock
from quart.wrappers import Request as CoreRequest

from .forms import Connection

_NAMES = "url_rule", "view_args", "routing_exception"
_MATCHED = Stock(Request, *_NAMES)
#: Where the shared dict has a reference to Flask's face; a weak one, or it would be a cycle.
_FACE = "_asked_face"


def computes(request_class: object) -> bool:
    """Whether *request_class* has its own attributes for what the URL has matched."""
    return (
        isinstance(request_class, type)
        and issubclass(request_class, Request)
        and not _MATCHED.of(request_class)
    )


def connection_class_for(request_class: object) -> type[Connection]:
    return _Asking if computes(request_class) else Connection


def attach(connection: object, face: object) -> None:
    """Let *connection* ask *face* from now on, and tell it what is known already."""
    if isinstance(connection, _Asking):
        state = connection.__dict__
        known = {name: state.pop(name, None) for name in _NAMES}
        state[_FACE] = weakref.ref(face)
        for name, value in known.items():
            if value is not None:
                setattr(face, name, value)


def _face_of(connection: CoreRequest) -> object:
    state = connection.__dict__
    return state[_FACE]() if _FACE in state else None


def _asked(name: str) -> property:
    def read(self: CoreRequest) -> object:
        face = _face_of(self)
        return self.__dict__.get(name) if face is None else getattr(face, name)

    def write(self: CoreRequest, value: object) -> None:
        face = _face_of(self)
        if face is None:
            self.__dict__[name] = value
        else:
            setattr(face, name, value)

    return property(read, write)


class _Asking(Connection):
    """The async face of a request that asks Flask's face."""

    url_rule = _asked("url_rule")
    view_args = _asked("view_args")
    routing_exception = _asked("routing_exception")
