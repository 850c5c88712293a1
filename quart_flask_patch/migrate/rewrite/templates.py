"""Find the functions that templates call: globals, filters, tests, and those of processors."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from ..code import CodeBase
from ..entries import scopes
from ..reaching import all_called, renders
from ..scopes import Function, last_name, Scope

_KINDS = ("template_global", "template_filter", "template_test")
#: The decorators and methods that give a function to all templates.
_GIVING = {*_KINDS, *(f"app_{kind}" for kind in _KINDS)}
_GIVING |= {f"add_{name}" for name in _GIVING}
_PROCESSORS = {"context_processor", "app_context_processor"}
#: The dictionaries of an environment of Jinja's.
_TABLES = {"globals", "filters", "tests"}


def renders_template(code: CodeBase, *starts: Function) -> bool:
    return any(
        isinstance(node, ast.Call) and renders(code.name_of(node.func, called))
        for start in starts
        for called in all_called(code, start)
        for node in called.own_nodes
    )


def of_templates(code: CodeBase) -> list[Function]:
    """Return the functions of the code base that any template may call."""
    found = [each for each in code.functions.values() if not each.decorators.isdisjoint(_GIVING)]
    for scope in scopes(code):
        for node in scope.own_nodes:
            found += _named(code, _given(node), scope)
    for function in code.functions.values():
        if not function.decorators.isdisjoint(_PROCESSORS):
            found += code.inside(function)
            returned = [
                n.value for n in function.own_nodes if isinstance(n, ast.Return) and n.value
            ]
            found += _named(code, [each for value in returned for each in _values(value)], function)
    return list(dict.fromkeys(found))


def _given(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what *node* puts into an environment."""
    match node:
        case ast.Call(func=ast.Attribute(value=table, attr="update")) if (
            last_name(table) in _TABLES
        ):
            yield from _values(node)
        case ast.Call(func=ast.Attribute(attr=attr), args=[given, *_]) if attr in _GIVING:
            yield given
        case ast.Assign(targets=[ast.Subscript(value=table)]) if last_name(table) in _TABLES:
            yield node.value


def _values(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the values in a dictionary, or in a call that makes or updates one."""
    if isinstance(node, ast.Dict):
        yield from node.values
    elif isinstance(node, ast.Call):
        yield from (word.value for word in node.keywords)
        for each in node.args:
            yield from _values(each)


def _named(code: CodeBase, values: Iterable[ast.expr], scope: Scope) -> list[Function]:
    found = (code.functions.get(code.name_of(value, scope)) for value in values)
    return [each for each in found if each is not None]
