"""Flask's proxies, made faster where they are: `request`, `session`, `g`, `current_app` and others.

Programs have imported them already, so the objects stay; only what they are instances of changes.
That has to be asked of `object`: a proxy hands on `__class__` to what it stands for. One that is no
plain `LocalProxy`, as somebody has replaced it, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import globals as flask_globals
from werkzeug.local import LocalProxy

from quart._flask import flask_cv_request
from quart.globals import _LocalProxy

from ..wrappers import Request

_set_class = object.__dict__["__class__"].__set__


class _Proxy(_LocalProxy):
    """Any but that of the request, as the core has it."""

    __slots__ = ()


class _RequestProxy(_LocalProxy):
    """That of the request, with a property for each name that Flask's request has.

    Python asks `__getattr__` only after it has looked in vain. Cost: "proxy" in
    docs/performance.md.
    """

    __slots__ = ()


# It is in what an unbound proxy says of itself.
_Proxy.__name__ = _RequestProxy.__name__ = LocalProxy.__name__


def _reader(name: str) -> Callable[[Any], object]:
    def read(proxy: Any) -> object:
        context: Any = flask_cv_request.get(None)
        # The proxy says better what is wrong.
        request = proxy._get_current_object() if context is None else context.request
        return getattr(request, name)

    return read


def _spell_out(names: Iterable[str]) -> None:
    for name in names:
        if not name.startswith("_") and not hasattr(_LocalProxy, name):
            setattr(_RequestProxy, name, property(_reader(name)))


def install() -> None:
    """Make Flask's proxies instances of the classes here."""
    # What Werkzeug's request sets on each instance is not found on its class.
    _spell_out({*dir(Request), "method", "path", "headers", "args", "scheme", "query_string"})
    for name, value in list(vars(flask_globals).items()):
        if type(value) is LocalProxy:
            _set_class(value, _RequestProxy if name == "request" else _Proxy)
