"""Async methods of an application that plain code may call too, if the strategy allows it.

On the class these are plain async functions, for subclasses and for whatever inspects it. If you
call one on an application, the strategy decides what you get: an awaitable, or the finished result.
"""

from __future__ import annotations

import inspect
from functools import partial
from types import MethodType
from typing import Any, Self

from .._flask import STAGES_WITH_CONTEXT
from .._threads import strategy
from .._types import Function

#: The async methods that are plain methods in Flask, for which plain code is written.
NAMES = frozenset(
    {
        *(set(STAGES_WITH_CONTEXT) - {"log_exception"}),
        *("make_response", "update_template_context", "send_static_file"),
        *("open_instance_resource", "open_resource"),
    }
)


class CallableByBoth(partial[Any]):
    """Such a method; a partial, since `inspect` takes a partial of an async function for async."""

    def __new__(cls, method: Function) -> Self:
        made = super().__new__(cls, method)
        # A partial has its own of these. All other attributes come from the method.
        made.__dict__.update(
            __doc__=method.__doc__, __module__=method.__module__, __wrapped__=method
        )
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.func, name)

    def __setattr__(self, name: str, value: object) -> None:
        # Somebody who sets an attribute on the method means the function.
        setattr(self.func, name, value)

    def __get__(self, app: object, owner: type | None = None) -> Any:
        return self.func if app is None else MethodType(self, app)

    def __call__(self, app: Any, /, *args: Any, **kwargs: object) -> object:
        return strategy.current().call_for_caller(self.func, app, *args, **kwargs)


def function_of(method: Function) -> Function:
    """Return the function behind a bound method."""
    function: Any = getattr(method, "__func__", method)
    return function.func if type(function) is CallableByBoth else function


class WithMethodsForBoth:
    """Makes the async methods in `NAMES` callable by both, those of subclasses included."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in NAMES & cls.__dict__.keys():
            if inspect.iscoroutinefunction(cls.__dict__[name]):
                setattr(cls, name, CallableByBoth(cls.__dict__[name]))
