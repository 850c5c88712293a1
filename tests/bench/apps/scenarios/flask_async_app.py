"""The Flask contender with ``async def`` views, whose code is otherwise the same."""

from __future__ import annotations

from typing import Any

from .flask_app import build, View


def _asynchronous(view: View) -> View:
    async def async_view(**arguments: Any) -> Any:
        return view(**arguments)

    async_view.__name__ = view.__name__
    return async_view


applications = build(_asynchronous)
