"""Tell whether a decorator passes on a function's result or uses it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ..code import CodeBase
from ..scopes import Function, Scope, without_call
from .walk import Place, walk

#: What uses these names handles async functions.
_AWARE = {"ensure_sync", "ensure_async", "iscoroutinefunction", "isawaitable", "async_to_sync"}
#: Packages with more files than this are not read.
_MANY = 400


@dataclass(slots=True)
class Verdict:
    """What a decorator does; *calls* use the view's result, which would be a coroutine."""

    decorator: Function | None = None
    is_outside: bool = False
    calls: list[tuple[Function, ast.Call]] = field(default_factory=list)


def verdict(code: CodeBase, node: ast.expr, scope: Scope, every: bool = False) -> Verdict:
    """Look at the decorator *node*, in the code base or in an installed package.

    With *every*, also count calls that only pass on the function's result.
    """
    name = code.name_of(without_call(node), scope)
    if (function := code.functions.get(name)) is not None:
        return Verdict(function, False, list(_used(code, function, every)))
    outside = _package(name.partition(".")[0])
    if outside is None:
        return Verdict()
    found = outside.functions.get(outside.expanded(name))
    return Verdict(found, True, list(_used(outside, found, every)) if found else [])


@lru_cache(maxsize=64)
def _package(name: str) -> CodeBase | None:
    """Read the installed package *name*, without importing it."""
    if not name.isidentifier() or name in sys.stdlib_module_names or name in {"flask", "quart"}:
        return None
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    origin = Path(spec.origin)
    path = origin.parent if spec.submodule_search_locations else origin
    many = path.is_dir() and sum(1 for _ in path.rglob("*.py")) > _MANY
    return None if many else CodeBase(path)


def handles_async(function: Function) -> bool:
    return any(_name(node) in _AWARE for node in ast.walk(function.node))


def _used(code: CodeBase, decorator: Function, every: bool) -> Iterator[tuple[Function, ast.Call]]:
    if handles_async(decorator):
        return
    inner = code.inside(decorator)
    takers = [decorator, *(each for each in inner if each.parent is decorator)]
    # With `decorator` and `wrapt`, the decorated function is the wrapper itself.
    itself = [decorator] if decorator.node.decorator_list else []
    for function in [*itself, *inner]:
        awaited = {id(n.value) for n in function.own_nodes if isinstance(n, ast.Await)}
        for place in walk(function):
            match place.node:
                case ast.Call(func=ast.Name(id=name)) as call if id(call) not in awaited:
                    found = function.bound(name)
                    taker = found[0] if found else None
                    is_given = taker in takers and (taker is not function or function in itself)
                    if not (is_given and _first(taker) == name):
                        continue
                    if every or not _is_passed_on(place, call):
                        yield function, call


def _name(node: ast.AST) -> str:
    return getattr(node, "attr", "") or getattr(node, "id", "")


def _first(scope: Scope | None) -> str:
    """Return the parameter that receives the decorated function."""
    if not isinstance(scope, Function):
        return ""
    arguments = [*scope.node.args.posonlyargs, *scope.node.args.args]
    arguments = arguments[1:] if scope.owner is not None else arguments
    return arguments[0].arg if arguments else ""


def _is_passed_on(place: Place, call: ast.Call) -> bool:
    """Whether the wrapper returns the call's result unchanged, outside of any `with` or `try`."""
    if place.obstacle:
        return True
    is_returned = isinstance(place.statement, ast.Return) and place.statement.value is call
    return is_returned and not any(isinstance(each, ast.Try | ast.With) for each in place.around)
