"""What plain code sees as ``current_app`` when the application is a `Quart`."""

from __future__ import annotations

from typing import Any, cast

from quart._rendering import plain_face
from quart.app import Quart
from quart.ctx import AppContext as CoreContext

from .app import Flask

_FACE = "_flask_app"


class QuartFace(Flask):
    """A `Quart` application with synchronous methods: another face of the same instance dict."""

    __slots__ = ("_quart",)
    _quart: Quart

    @property
    def jinja_env(self) -> Any:
        """The application's templates as plain code, which waits as all plain code does."""
        return plain_face(self._quart.jinja_env)

    def _json(self) -> Any:
        """Return the application's provider, making Flask's responses."""
        return type(self._quart.json)(cast(Any, self))

    json: Any = property(_json)


def face_of(core: CoreContext) -> Any:
    """Return the application as plain code is to see it."""
    app = core.app
    # Not `isinstance`, which takes any application for Flask's.
    if issubclass(type(app), Flask):
        return app
    face = app.__dict__.get(_FACE)
    if face is None:
        face = QuartFace.__new__(QuartFace)
        face.__dict__ = app.__dict__
        face._quart = app
        app.__dict__[_FACE] = face
    return face
