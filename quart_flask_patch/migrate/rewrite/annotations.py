"""Find annotations, and what in them is quoted."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..scopes import Function, last_name, Module
from .walk import walk


def annotations_in(scope: Function | Module) -> Iterator[ast.expr]:
    """Yield the annotations in *scope*, and other expressions that name a type."""
    for place in walk(scope):
        match place.node:
            case ast.AnnAssign(annotation=annotation):
                yield annotation
            case ast.Call(func=func, args=[first, *_]) if last_name(func) == "cast":
                yield first
            case ast.Call(func=func, keywords=words) if last_name(func) == "TypeVar":
                yield from (word.value for word in words if word.arg == "bound")
    if isinstance(scope, Function):
        yield from of_signature(scope)


def of_signature(function: Function) -> Iterator[ast.expr]:
    arguments = function.node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for each in [*every, arguments.vararg, arguments.kwarg]:
        if each is not None and each.annotation is not None:
            yield each.annotation
    if function.node.returns is not None:
        yield function.node.returns


def in_quotes(annotation: ast.expr) -> Iterator[ast.Constant]:
    """Yield the strings in *annotation* that name types; those of `Literal` are values."""
    match annotation:
        case ast.Constant(value=str()):
            yield annotation
        case ast.Subscript(value=value) if last_name(value) == "Literal":
            return
        case ast.Subscript(value=value, slice=ast.Tuple(elts=[first, *_])) if (
            last_name(value) == "Annotated"
        ):
            yield from in_quotes(first)
        case _:
            for child in ast.iter_child_nodes(annotation):
                if isinstance(child, ast.expr):
                    yield from in_quotes(child)
