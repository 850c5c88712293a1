"""Decorators of a code base that register what they decorate: `route` by a name of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from .code import CodeBase
from .scopes import Function, Scope, without_call

Registration = tuple[Function, ast.Call]


def registrations(code: CodeBase, decorator: ast.expr, scope: Scope) -> tuple[Registration, ...]:
    """Return the calls of `add_url_rule` by which *decorator* registers what it is given."""
    named = without_call(decorator)
    function = code.functions.get(code.name_of(named, scope))
    return () if function is None else _of(code, function)


@lru_cache(maxsize=4096)
def _of(code: CodeBase, outer: Function) -> tuple[Registration, ...]:
    return tuple(
        (scope, node)
        for scope in [outer, *code.inside(outer)]
        for node in rules_among(scope.own_nodes)
        if _is_given(view_func(node), scope, outer)
    )


def rules_among(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    """Yield the calls of a method `add_url_rule`."""
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="add_url_rule")):
                yield node


def view_func(call: ast.Call) -> ast.expr:
    given = [word.value for word in call.keywords if word.arg == "view_func"] or call.args[2:3]
    return given[0] if given else ast.Constant(None)


def _is_given(node: ast.expr, scope: Function, outer: Function) -> bool:
    """Whether *node* is the first argument of a function of the decorator."""
    if not isinstance(node, ast.Name) or (found := scope.bound(node.id)) is None:
        return False
    taker = found[0]
    if not isinstance(taker, Function) or (taker is not outer and outer not in taker.around):
        return False
    arguments = [*taker.node.args.posonlyargs, *taker.node.args.args]
    return bool(arguments) and arguments[0].arg == node.id
