"""Walk through the nodes that run in a function, noting where no `await` may stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ..scopes import Function, FunctionDef, Module

GENERATOR = "a generator expression"


@dataclass(frozen=True, slots=True)
class Place:
    """A node, its statement, and the reason if no `await` may stand there."""

    node: ast.AST
    statement: ast.stmt
    obstacle: str
    #: The nodes around the statement within the function, outermost first.
    around: tuple[ast.stmt, ...]


def walk(scope: Function | Module) -> Iterator[Place]:
    """Yield the nodes that run in *scope*, including those of lambdas and classes in it."""
    body = scope.node.body if isinstance(scope, Function) else scope.tree.body
    for statement in body:
        yield from _walk(statement, statement, "", ())


def _walk(
    node: ast.AST, statement: ast.stmt, obstacle: str, around: tuple[ast.stmt, ...]
) -> Iterator[Place]:
    yield Place(node, statement, obstacle, around)
    if isinstance(node, FunctionDef):
        for each in [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]:
            if each is not None:
                yield from _walk(each, statement, obstacle, around)
        return
    if isinstance(node, ast.stmt):
        around = (*around, node)
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, ast.stmt) else statement
        yield from _walk(child, inner, _obstacle(node, child) or obstacle, around)


def _obstacle(node: ast.AST, child: ast.AST) -> str:
    match node:
        case ast.Lambda(body=body) if body is child:
            return "a lambda"
        case ast.ClassDef(body=body) if child in body:
            return "the body of a class"
        case ast.GeneratorExp(generators=[first, *_]):
            # A generator expression evaluates its first iterable at once, everything else later.
            return "" if child is first else GENERATOR
        case ast.comprehension():
            return ""
    return ""


def is_generator(function: Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in function.own_nodes)
