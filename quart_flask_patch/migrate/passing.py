"""Find the calls of a code base by the names that are called, and what they pass."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from .scopes import Function, last_name, Module, Scope

#: Functions that make their first argument run elsewhere: `run_sync(f)(x)` calls `f` with `x`.
_WRAPPERS = {"run_sync", "ensure_sync", "sync_to_async", "copy_current_request_context"}
#: Functions that call their first argument with the others.
_PASSING = {"to_thread", "partial", "submit"}

Passed = tuple[Scope, ast.expr, ast.Call]


class Calls:
    """The calls in *scopes*: where they are, what they call, and the call with its arguments."""

    def __init__(self, scopes: Iterable[Function | Module]) -> None:
        self._found: dict[str, list[Passed]] = {}
        for scope in scopes:
            for node in scope.own_nodes:
                if isinstance(node, ast.Call):
                    called, call = _unwrapped(node)
                    self._found.setdefault(_name(called, scope), []).append((scope, called, call))

    def of(self, names: Sequence[str]) -> Iterator[Passed]:
        """Yield the calls of what has one of *names*, in whichever scope."""
        for name in dict.fromkeys(names):
            yield from self._found.get(name, ())


def _unwrapped(call: ast.Call) -> tuple[ast.expr, ast.Call]:
    match call.func:
        case ast.Call(func=func, args=[called]) if last_name(func) in _WRAPPERS:
            return called, call
    if last_name(call.func) in _PASSING and call.args:
        return call.args[0], ast.Call(call.args[0], call.args[1:], call.keywords)
    return call.func, call


def _name(called: ast.expr, scope: Scope) -> str:
    """Return the last name of *called*, as it was before `import ... as`."""
    found = scope.bound(called.id) if isinstance(called, ast.Name) else None
    if found is not None and isinstance(found[1], str) and found[1]:
        return found[1].rpartition(".")[2]
    return last_name(called)


def argument(call: ast.Call, function: Function, name: str) -> ast.expr | None:
    """Return what *call* passes as the parameter *name* of *function*, if that can be told."""
    for word in call.keywords:
        if word.arg == name:
            return word.value
    places = [each.arg for each in [*function.node.args.posonlyargs, *function.node.args.args]]
    if function.is_bound:
        places = places[1:]
    if name not in places:
        return None
    given = call.args[: places.index(name) + 1]
    if len(given) <= places.index(name) or any(isinstance(each, ast.Starred) for each in given):
        return None
    return given[-1]
