"""Async methods of an application that plain code may ask too, if the strategy lets it.

A subclass, and whatever looks at the class, sees the async functions that they are. If you
call one on an application, the strategy is asked what the caller gets.
"""

from __future__ import annotations

import inspect
from functools import update_wrapper
from types import MethodType
from typing import Any, cast

from .._threads import strategy
from .._types import Function

#: What Flask, whose applications plain code is written for, has as plain methods.
NAMES = frozenset(
    {
        "dispatch_request",
        "do_teardown_appcontext",
        "do_teardown_request",
        "finalize_request",
        "full_dispatch_request",
        "handle_exception",
        "handle_http_exception",
        "handle_user_exception",
        "make_default_options_response",
        "make_response",
        "open_instance_resource",
        "open_resource",
        "preprocess_request",
        "process_response",
        "send_static_file",
        "update_template_context",
    }
)


class Asked:
    """Such a method; it has a function's attributes, so it is an async function to `inspect`."""

    __code__ = cast(Any, None)
    __defaults__: object = None
    __kwdefaults__: object = None

    def __init__(self, method: Any) -> None:
        update_wrapper(self, method)
        self.__dict__.update(method=method, __code__=method.__code__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["method"], name)

    def __setattr__(self, name: str, value: object) -> None:
        if "method" in self.__dict__:
            # A mark that somebody puts on the method is the function's.
            setattr(self.method, name, value)
        else:
            super().__setattr__(name, value)

    def __get__(self, app: object, owner: type | None = None) -> Any:
        return self.method if app is None else MethodType(self, app)

    def __call__(self, app: Any, /, *args: Any, **kwargs: object) -> object:
        return strategy.current().answer(self.method, app, *args, **kwargs)


def function_of(method: Function) -> Function:
    """Return the function behind a bound method."""
    function: Any = getattr(method, "__func__", method)
    return cast("Function", function.method) if type(function) is Asked else function


class AskedByEither:
    """What makes the async methods of applications such methods, those of subclasses included."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in NAMES & cls.__dict__.keys():
            if inspect.iscoroutinefunction(cls.__dict__[name]):
                setattr(cls, name, Asked(cls.__dict__[name]))
