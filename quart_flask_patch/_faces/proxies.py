"""Speed up Flask's proxies in place: `request`, `session`, `g`, `current_app` and others.

Programs have imported the proxies already, so the objects must stay; only their class changes. It
is set by `object.__class__`, as a proxy forwards its own `__class__` to what it stands for. A proxy
that somebody has replaced, and that is no plain `LocalProxy`, stays as it is.
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
    """All proxies but the request's; the core's class does the work."""

    __slots__ = ()


class _RequestProxy(_LocalProxy):
    """The request's proxy, with a property for each name that Flask's request has.

    Python calls `__getattr__` only after a failed look-up. Cost: "proxy" in docs/performance.md.
    """

    __slots__ = ()


# An unbound proxy shows the name of its class in its repr.
_Proxy.__name__ = _RequestProxy.__name__ = LocalProxy.__name__


def _reader(name: str) -> Callable[[Any], object]:
    def read(proxy: Any) -> object:
        context: Any = flask_cv_request.get(None)
        # Without a context, the proxy raises the error that explains what is wrong.
        request = proxy._get_current_object() if context is None else context.request
        return getattr(request, name)

    return read


def _spell_out(names: Iterable[str]) -> None:
    for name in names:
        if not name.startswith("_") and not hasattr(_LocalProxy, name):
            setattr(_RequestProxy, name, property(_reader(name)))


def install() -> None:
    """Give Flask's proxies the classes of this module."""
    # Werkzeug's request sets these on the instance, so `dir` of the class lacks them.
    _spell_out({*dir(Request), "method", "path", "headers", "args", "scheme", "query_string"})
    for name, value in list(vars(flask_globals).items()):
        if type(value) is LocalProxy:
            _set_class(value, _RequestProxy if name == "request" else _Proxy)
