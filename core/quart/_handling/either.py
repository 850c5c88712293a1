"""Async methods of an application that plain code may ask too, if the strategy lets it.

A subclass, and whatever looks at the class, sees the async functions that they are. If you
call one on an application, the strategy is asked what the caller gets.
"""

from __future__ import annotations

import inspect
from functools import partial
from types import MethodType
from typing import Any, Self

from .._flask import STAGES_WITH_CONTEXT
from .._threads import strategy
from .._types import Function

#: What Flask, whose applications plain code is written for, has as plain methods.
NAMES = frozenset(
    {
        *(set(STAGES_WITH_CONTEXT) - {"log_exception"}),
        *("make_response", "update_template_context", "send_static_file"),
        *("open_instance_resource", "open_resource"),
    }
)


class CallableByBoth(partial[Any]):
    """Such a method. `inspect` takes a partial of an async function for one, on each Python."""

    def __new__(cls, method: Function) -> Self:
        made = super().__new__(cls, method)
        # What a partial has of its own; for all else the method is asked.
        made.__dict__.update(
            __doc__=method.__doc__, __module__=method.__module__, __wrapped__=method
        )
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.func, name)

    def __setattr__(self, name: str, value: object) -> None:
        # A mark that somebody puts on the method is the function's.
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
    """What makes the async methods of applications such methods, those of subclasses included."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in NAMES & cls.__dict__.keys():
            if inspect.iscoroutinefunction(cls.__dict__[name]):
                setattr(cls, name, CallableByBoth(cls.__dict__[name]))
