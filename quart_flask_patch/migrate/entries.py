"""Find the functions that the framework calls: views, websockets and hooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .code import CodeBase
from .registering import registrations, view_func
from .scopes import Function, Module, Scope, without_call

ROUTES = {"route", "get", "post", "put", "patch", "delete", "websocket"}
HOOKS = {
    *("before_request", "after_request", "teardown_request", "url_value_preprocessor"),
    *("before_app_request", "after_app_request", "teardown_app_request", "context_processor"),
    *("app_context_processor", "app_url_value_preprocessor", "errorhandler", "app_errorhandler"),
    # Flask-Login's.
    *("user_loader", "request_loader"),
    *("before_websocket", "after_websocket", "teardown_websocket", "teardown_appcontext"),
}
_METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "dispatch_request"}
#: Classes whose `as_view` puts their `decorators` around the view.
VIEW_CLASSES = ("flask.views.", "quart.views.", "flask_restful.Resource", "flask_restx.Resource")


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that the framework calls; *owner* is its application or blueprint."""

    kind: Literal["view", "hook"]
    function: Function
    owner: str
    #: The place that `runs_in` asks for, if any.
    place: str = ""

    @property
    def is_on_loop(self) -> bool:
        """Whether it runs on the server's loop: an async view, or an async method of one."""
        return self.kind == "view" and self.function.is_async and self.place != "own-loop"


def entries(code: CodeBase) -> list[Entry]:
    found = [entry for function in code.functions.values() for entry in _decorated(code, function)]
    found += [entry for scope in scopes(code) for entry in _registered(code, scope)]
    found += [
        Entry("view", method, name)
        for name in code.classes
        if any(base.startswith(VIEW_CLASSES) for base in code.bases(name))
        for method in code.inside(code.classes[name])
        if method.owner is code.classes[name] and method.node.name in _METHODS
    ]
    return list({(entry.kind, entry.function): entry for entry in found}.values())


def _decorated(code: CodeBase, function: Function) -> Iterator[Entry]:
    around = function.parent or function
    places = (_chosen(code, node, around) for node in function.node.decorator_list)
    place = next(filter(None, places), "")
    for node in function.node.decorator_list:
        named = without_call(node)
        if isinstance(node, ast.Call) and _has_path(node) and _is_exposed(code, named, around):
            yield Entry("view", function, "", place)
        for scope, call in registrations(code, node, around):
            assert isinstance(call.func, ast.Attribute)
            yield Entry("view", function, code.name_of(call.func.value, scope), place)
        if not isinstance(named, ast.Attribute):
            continue
        owner = code.name_of(named.value, around)
        if named.attr in HOOKS:
            yield Entry("hook", function, owner, place)
        elif isinstance(node, ast.Call) and named.attr in ROUTES and _has_path(node):
            yield Entry("view", function, owner, place)


def _is_exposed(code: CodeBase, decorator: ast.expr, scope: Scope) -> bool:
    """Whether *decorator* marks views of Flask-Admin or Flask-AppBuilder."""
    return code.name_of(decorator, scope).endswith(".expose")


def _has_path(node: ast.Call) -> bool:
    path = node.args[0] if node.args else None
    return isinstance(path, ast.JoinedStr) or (
        isinstance(path, ast.Constant)
        and isinstance(path.value, str)
        and (path.value.startswith("/") or not path.value)
    )


def _chosen(code: CodeBase, node: ast.expr, scope: Scope) -> str:
    """Return the place that the decorator *node* asks for by `runs_in`; empty if none."""
    match node:
        case ast.Call(func=func, args=[ast.Constant(value=value), *_]):
            return str(value) if code.name_of(func, scope).endswith(".runs_in") else ""
    return ""


def scopes(code: CodeBase) -> Iterator[Module | Function]:
    yield from code.modules.values()
    yield from code.functions.values()


def _registered(code: CodeBase, scope: Module | Function) -> Iterator[Entry]:
    """Find functions registered by a call: `app.add_url_rule(..., view_func=f)` and the like."""
    for node in scope.own_nodes:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "add_url_rule":
            yield from _entry(code, "view", node.func, [view_func(node)], scope)
        elif node.func.attr in HOOKS:
            yield from _entry(code, "hook", node.func, node.args[:1], scope)


def _entry(
    code: CodeBase,
    kind: Literal["view", "hook"],
    method: ast.Attribute,
    given: list[ast.expr],
    scope: Scope,
) -> Iterator[Entry]:
    function = code.functions.get(code.name_of(given[0], scope)) if given else None
    if function is not None:
        yield Entry(kind, function, code.name_of(method.value, scope))
