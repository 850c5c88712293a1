"""Follow what runs from a function: calls, and what runs without one, down to what blocks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from .blocking import Blocking, blocking, ITERATED, iteration
from .code import CodeBase
from .meaning import Followed
from .scopes import Function, Scope, without_call

#: Functions that call the functions that they are given, at once or in what they return.
_APPLYING = {"map", "filter", "sorted", "min", "max", "functools.reduce", "functools.partial"}
#: Functions that go through what they are given.
_DRAINING = {"list", "tuple", "set", "frozenset", "dict", "sorted", "sum", "any", "all", "len"}
_RENDERING = ("flask.render_template", "flask.stream_template", "flask.templating.")


@dataclass(slots=True)
class Site:
    """A call that blocks; each item of *ways* is a chain of calls that leads to it."""

    place: str
    call: str
    family: Blocking
    ways: list[str] = field(default_factory=list)


def reached(code: CodeBase, start: Function) -> Iterator[Site]:
    """Yield what blocks in *start* and in the functions that it calls, once for each line."""
    seen = {start}
    told: set[tuple[str, str]] = set()
    to_do: list[tuple[Function, str]] = [(start, start.node.name)]
    while to_do:
        function, way = to_do.pop(0)
        followed = _followed(code, function)
        for called in followed.calls:
            if called not in seen and runs_here(code, called):
                seen.add(called)
                to_do.append((called, f"{way} -> {called.node.name}"))
        for what, family in followed.blocks:
            place = f"{function.module.shown}:{what.lineno}"
            if (place, family.kind) not in told:
                told.add((place, family.kind))
                yield Site(place, _shown(what), family, [way])


def _followed(code: CodeBase, function: Function) -> Followed:
    if (known := code.followed.get(function)) is not None:
        return known
    nodes = function.own_nodes
    calls = dict.fromkeys(called for node in nodes for called in run_by(code, node, function))
    blocks = [each for node in nodes if (each := blocked_by(code, node, function))]
    code.followed[function] = Followed([*calls], blocks)
    return code.followed[function]


def blocked_by(
    code: CodeBase, node: ast.AST, function: Function
) -> tuple[ast.expr, Blocking] | None:
    """Return what blocks in *node* itself, a function of a library that it calls for example."""
    if isinstance(node, ast.Call):
        name = code.name_of(node.func, function)
        if code.called(name) is None and (family := blocking(name)) is not None:
            return None if is_awaited(node, function) else (node.func, family)
    iterated = _iterated(code, node, function)
    if iterated is not None and ITERATED.fullmatch(code.name_of(iterated, function)):
        begun = ast.Attribute(iterated, "__iter__", ast.Load())
        return ast.copy_location(begun, iterated), iteration()
    return None


def _iterated(code: CodeBase, node: ast.AST, function: Function) -> ast.expr | None:
    if isinstance(node, ast.For | ast.comprehension):
        return node.iter
    if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
        return node.args[0] if node.func.id in _DRAINING else None
    return None


def run_by(code: CodeBase, node: ast.AST, function: Function) -> Iterator[Function]:
    """Yield the functions of the code base that *node* runs in *function*."""
    if isinstance(node, ast.Call):
        called = code.called(code.name_of(node.func, function))
        if called is not None:
            yield called
            yield from _overriding(code, called, node)
    yield from run_without_call(code, node, function)


def _overriding(code: CodeBase, called: Function, call: ast.Call) -> Iterator[Function]:
    """Yield the methods that may run in the place of *called*, in derived classes."""
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
            return
    if called.owner is None or called.node.name == "__init__":
        return
    for owner in code.derived(called.owner.name):
        method = code.functions.get(f"{owner}.{called.node.name}")
        if method is not None:
            yield method


def run_without_call(code: CodeBase, node: ast.AST, function: Function) -> Iterator[Function]:
    """Yield functions that run though *node* does not call them: properties, callbacks, ..."""
    if isinstance(node, ast.Attribute) and node.attr in code.properties:
        method = _method(code, node.value, function, node.attr)
        if method is not None and method.is_property:
            yield method
    elif isinstance(node, ast.withitem):
        for name in "__enter__", "__exit__":
            if method := _method(code, node.context_expr, function, name):
                yield method
    elif isinstance(node, ast.Call) and applies_arguments(code.name_of(node.func, function)):
        for value in [*node.args, *(word.value for word in node.keywords)]:
            if given := code.functions.get(code.name_of(value, function)):
                yield given
    if (iterated := _iterated(code, node, function)) is not None:
        for name in "__iter__", "__next__":
            if method := _method(code, iterated, function, name):
                yield method


def _method(code: CodeBase, node: ast.expr, scope: Scope, name: str) -> Function | None:
    """Return the method *name* of the object that *node* gives."""
    owner = code.name_of(node, scope)
    return code.method(owner[:-2], name) if owner.endswith("()") else None


def applies_arguments(name: str) -> bool:
    """Whether the function *name* calls functions that it is given, as templates do."""
    return name in _APPLYING or renders(name)


def renders(name: str) -> bool:
    return name.startswith(_RENDERING)


def _shown(node: ast.expr) -> str:
    """Return the source of *node*, without the arguments of calls."""
    if isinstance(node, ast.Attribute):
        return f"{_shown(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        return f"{_shown(node.func)}(...)"
    return ast.unparse(node)


def runs_here(code: CodeBase, function: Function) -> bool:
    """Whether a call of *function* runs in the caller's thread."""
    around = function.parent or function
    names = [code.name_of(without_call(node), around) for node in function.node.decorator_list]
    return not any(name.endswith(("run_sync", "sync_to_async")) for name in names)


def is_awaited(call: ast.Call, function: Function) -> bool:
    return id(call) in function.awaited


def all_called(code: CodeBase, start: Function) -> set[Function]:
    seen, to_do = {start}, [start]
    while to_do:
        function = to_do.pop()
        for called in _followed(code, function).calls:
            if called not in seen:
                seen.add(called)
                to_do.append(called)
    return seen
