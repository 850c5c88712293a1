"""Find the views of a code base: endpoints, owners, and which of them to rewrite."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

from ..code import CodeBase
from ..entries import entries, Entry, ROUTES, scopes
from ..registering import registrations, rules_among, view_func
from ..scopes import Function, Scope, without_call

#: Base classes whose methods Flask awaits; those of extensions only call them.
OF_FLASK = ("flask.views.", "quart.views.")


@dataclass(eq=False)
class View:
    """A view; *owner* is the variable that holds its application or blueprint."""

    entry: Entry
    owner: str
    endpoints: tuple[str, ...]
    #: Decorators between the function and its registration.
    decorators: list[ast.expr] = field(default_factory=list)
    #: Whether the function itself is registered, and not the class that it is a method of.
    is_registered: bool = False

    @property
    def function(self) -> Function:
        return self.entry.function

    @property
    def of_class(self) -> Scope | None:
        """Return the class that is registered as a view, if this is a method of one."""
        return None if self.is_registered else self.function.owner

    @property
    def name(self) -> str:
        return self.endpoints[0] if self.endpoints else self.function.name


def views(code: CodeBase) -> list[View]:
    return [
        _view(code, entry)
        for entry in entries(code)
        if entry.kind == "view" and not _is_websocket(entry)
    ]


def hooks(code: CodeBase) -> list[tuple[Entry, str]]:
    """Return the hooks, each with the variable that holds its application or blueprint."""
    return [
        (entry, next(iter(_registering(code, entry.function)), ("", None))[0])
        for entry in entries(code)
        if entry.kind == "hook"
    ]


def chosen(found: Sequence[View], patterns: Sequence[str]) -> tuple[list[View], list[str]]:
    """Return the views that match *patterns*, or all without any, and patterns without a match."""
    if not patterns:
        return list(found), []
    meant = [view for view in found if any(_fits(view, pattern) for pattern in patterns)]
    lost = [each for each in patterns if not any(_fits(view, each) for view in found)]
    return meant, lost


def _fits(view: View, pattern: str) -> bool:
    function = view.function
    names = {*view.endpoints, function.name, function.node.name}
    return any(fnmatchcase(name, pattern) for name in names)


def _is_websocket(entry: Entry) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "websocket"
        for node in entry.function.node.decorator_list
    )


def _view(code: CodeBase, entry: Entry) -> View:
    function = entry.function
    registered = list(_registering(code, function))
    kept = [node for node in function.node.decorator_list if _route(node) is None]
    if function.owner is not None and not registered:
        kept += class_decorators(function.owner) or []
    owner = registered[0][0] if registered else ""
    names = []
    for variable, call in registered:
        given = _endpoint(call) if call is not None else ""
        prefix = _blueprint_name(code, variable)
        names.append(f"{prefix}{given or function.node.name}")
    if function.owner is not None:
        names += _class_endpoints(code, function.owner)
    return View(entry, owner, tuple(dict.fromkeys(names)), kept, bool(registered))


def _registering(code: CodeBase, function: Function) -> Iterator[tuple[str, ast.Call | None]]:
    """Yield the variables that *function* is registered on, with the registering calls."""
    around = function.parent or function
    for node in function.node.decorator_list:
        named = without_call(node)
        if isinstance(named, ast.Attribute) and function.owner is None:
            call = node if isinstance(node, ast.Call) else None
            if _route(node) is not None or call is None:
                yield variable_of(code, named.value, around), call
        for inner, call in registrations(code, node, around):
            assert isinstance(call.func, ast.Attribute)
            yield variable_of(code, call.func.value, inner), call
    if code.functions.get(function.name) is function:
        for scope, call in _rules(code).get(function.name, ()):
            assert isinstance(call.func, ast.Attribute)
            yield variable_of(code, call.func.value, scope), call


@lru_cache(maxsize=4)
def _rules(code: CodeBase) -> dict[str, list[tuple[Scope, ast.Call]]]:
    """Return the calls of `add_url_rule`, by the name of the function or of the class."""
    found: dict[str, list[tuple[Scope, ast.Call]]] = {}
    for scope in scopes(code):
        for call in rules_among(scope.own_nodes):
            given = _class_of(view_func(call)) or view_func(call)
            found.setdefault(code.name_of(given, scope), []).append((scope, call))
    return found


def _class_of(node: ast.expr) -> ast.expr | None:
    """Return what stands before `.as_view(...)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=named, attr="as_view")):
            return named
    return None


def _route(node: ast.expr) -> ast.Call | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node if node.func.attr in ROUTES else None
    return None


def _endpoint(call: ast.Call) -> str:
    given = [word.value for word in call.keywords if word.arg == "endpoint"]
    if isinstance(call.func, ast.Attribute) and call.func.attr == "add_url_rule":
        given += call.args[1:2]
    match given:
        case [ast.Constant(value=str(value)), *_]:
            return value
    return ""


def _blueprint_name(code: CodeBase, variable: str) -> str:
    """Return the prefix of endpoints of the blueprint in *variable*."""
    module, _, name = variable.rpartition(".")
    value = code.modules[module].names.get(name) if module in code.modules else None
    match value:
        case ast.Call(args=[ast.Constant(value=str(given)), *_]) if "Blueprint" in code.name_of(
            value, code.modules[module]
        ):
            return f"{given}."
    return ""


def _class_endpoints(code: CodeBase, owner: Scope) -> Iterator[str]:
    for scope, call in _rules(code).get(owner.name, ()):
        match view_func(call):
            case ast.Call(args=[ast.Constant(value=str(given)), *_]):
                assert isinstance(call.func, ast.Attribute)
                prefix = _blueprint_name(code, variable_of(code, call.func.value, scope))
                yield f"{prefix}{given}"


def variable_of(code: CodeBase, node: ast.expr, scope: Scope) -> str:
    """Return the full name of the variable that *node* reads, following imports."""
    if isinstance(node, ast.Attribute):
        inner = variable_of(code, node.value, scope)
        return _through(code, f"{inner}.{node.attr}") if inner else ""
    if not isinstance(node, ast.Name):
        return ""
    found = scope.bound(node.id)
    if found is None:
        return _through(code, code.starred(node.id, scope.module) or node.id)
    where, value = found
    return _through(code, value) if isinstance(value, str) and value else f"{where.name}.{node.id}"


def _through(code: CodeBase, name: str) -> str:
    for _ in range(8):
        module, _, last = name.rpartition(".")
        value = code.modules[module].names.get(last) if module in code.modules else None
        if not isinstance(value, str) or value in {name, ""}:
            return name
        name = value
    return name


def class_decorators(owner: Scope) -> list[ast.expr] | None:
    """Return a class's list `decorators`; None if it cannot be extended."""
    value = owner.names.get("decorators")
    if value is None:
        return []
    return list(value.elts) if isinstance(value, ast.List | ast.Tuple) else None


def place_of(view: View) -> str:
    """Return the place that the view asks for by `runs_in`; empty if none."""
    for node in view.decorators:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(place))]) if (
                name.endswith("runs_in")
            ):
                return place
            case ast.Call(
                func=ast.Attribute(attr="runs_in"), args=[ast.Constant(value=str(place))]
            ):
                return place
    return view.entry.place
