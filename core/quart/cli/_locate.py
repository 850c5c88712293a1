"""Find the app that ``--app`` names."""

from __future__ import annotations

import ast
import inspect
import sys
import traceback
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, TypeGuard

from flask.cli import NoAppException as NoAppException, prepare_import as prepare_import
from flask.sansio.app import App

from .._types import Function

if TYPE_CHECKING:
    from ..app import Quart

APP_NAMES = ("app", "application")
FACTORY_NAMES = ("create_app", "make_app")


def _is_app(value: object) -> TypeGuard[Quart]:
    # Do not check its class: a command that loads no application need not import that.
    return isinstance(value, App) and hasattr(type(value), "asgi_app")


def locate_app(
    module_name: str, app_name: str | None, raise_if_not_found: bool = True
) -> Quart | None:
    """Import a module and find the app in it.

    - *app_name*: A name or a call of a factory; without it, look for the app.
    - *raise_if_not_found*: If false, return ``None`` if there is no such module.

    Raises:
        NoAppException: if there is no app, or importing the module fails.
    """
    try:
        module = import_module(module_name)
    except ImportError as error:
        if not _is_missing(module_name, error):
            raise NoAppException(
                f"While importing {module_name!r}, an ImportError was raised:\n\n"
                f"{traceback.format_exc()}"
            ) from error
        if raise_if_not_found:
            raise NoAppException(
                f"Could not import {module_name!r}: there is no such module in"
                f" {sys.path[0]!r} or on the import path."
            ) from error
        return None
    return find_best_app(module) if app_name is None else find_app_by_string(module, app_name)


def _is_missing(module_name: str, error: ImportError) -> bool:
    # If a module that this one imports is missing, the message is another one.
    is_not_found = isinstance(error, ModuleNotFoundError) and error.name is not None
    return is_not_found and f"{module_name}.".startswith(f"{error.name}.")


def find_best_app(module: ModuleType) -> Quart:
    """Find the app of a module: by its usual names, as the only one, or from a factory.

    Raises:
        NoAppException: if there is no app, or more than one.
    """
    for name in APP_NAMES:
        if _is_app(app := getattr(module, name, None)):
            return app
    matches = {id(value): value for value in vars(module).values() if _is_app(value)}
    if len(matches) == 1:
        return matches.popitem()[1]
    if matches:
        raise NoAppException(
            f"Detected multiple Quart applications in module {module.__name__!r}. Use"
            f" '{module.__name__}:name' to specify the correct one."
        )
    for name in FACTORY_NAMES:
        factory = getattr(module, name, None)
        if inspect.isfunction(factory) and _is_app(app := _call(module, factory, name)):
            return app
    raise NoAppException(
        f"Failed to find a Quart application or factory in module {module.__name__!r}. Use"
        f" '{module.__name__}:name' to specify one."
    )


def find_app_by_string(module: ModuleType, app_name: str) -> Quart:
    """Return the app for *app_name*, a name or a call of a factory with literal arguments.

    Raises:
        NoAppException: if the name does not give an app.
    """
    name, args, kwargs = _parse(app_name)
    try:
        app = getattr(module, name)
    except AttributeError:
        raise NoAppException(f"Failed to find attribute {name!r} in {module.__name__!r}.") from None
    if inspect.isfunction(app):
        app = _call(module, app, app_name, *args, **kwargs)
    if not _is_app(app):
        raise NoAppException(
            "Expected a Quart application from"
            f" '{module.__name__}:{app_name}', got {type(app).__name__}."
        )
    return app


def _parse(app_name: str) -> tuple[str, list[object], dict[str, object]]:
    try:
        expression = ast.parse(app_name.strip(), mode="eval").body
    except SyntaxError:
        expression = None
    match expression:
        case ast.Name(id=name):
            return name, [], {}
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords):
            return name, *_literals(app_name, args, keywords)
        case ast.Call():
            raise NoAppException(f"Function reference must be a simple name: {app_name!r}.")
    raise NoAppException(f"Failed to parse {app_name!r} as an attribute name or function call.")


def _literals(
    app_name: str, args: list[ast.expr], keywords: list[ast.keyword]
) -> tuple[list[object], dict[str, object]]:
    try:
        values = [ast.literal_eval(arg) for arg in args]
        named = {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in keywords}
    except ValueError:
        raise NoAppException(
            f"Failed to parse arguments as literal values: {app_name!r}."
        ) from None
    return values, named


def _call(
    module: ModuleType, factory: Function, app_name: str, *args: object, **kwargs: object
) -> object:
    # Check the signature, as a TypeError of the call may come from inside the factory.
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except TypeError as error:
        raise NoAppException(
            f"The factory {app_name!r} in module {module.__name__!r} could not be called with the"
            f" specified arguments ({error}). Use '{module.__name__}:{factory.__name__}(args)' to"
            " specify arguments."
        ) from error
    return factory(*args, **kwargs)
