"""Record what a statement binds, and read annotations."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from .scopes import Module, Scope

#: So many values of one name are looked at.
_VALUES = 8


def bind(scope: Scope, node: ast.AST) -> None:
    """Record what *node* binds in *scope*; the first value that reading can name counts."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        _import(scope, node)
    elif isinstance(node, ast.Global):
        scope.shared.update(node.names)
    else:
        for target, value in assigned(node):
            _assign(scope, target, value)


def _import(scope: Scope, node: ast.Import | ast.ImportFrom) -> None:
    base = _imported_from(scope.module, node) if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom) and alias.name == "*":
            scope.module.stars.append(base)
        elif isinstance(node, ast.ImportFrom):
            scope.names[alias.asname or alias.name] = f"{base}.{alias.name}"
        else:
            bound = alias.asname or alias.name.partition(".")[0]
            scope.names[bound] = alias.name if alias.asname else bound


def _assign(scope: Scope, target: ast.expr, value: ast.expr) -> None:
    if not isinstance(target, ast.Name):
        return
    where = scope.module if target.id in scope.shared else scope
    if where.names.setdefault(target.id, value) is not value:
        others = where.others.setdefault(target.id, [])
        if len(others) < _VALUES:
            others.append(value)


def assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield the targets that *node* assigns to, each with its value.

    An annotated name may be an object of the class that is named as well.
    """
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _pairs(target, value)
        case ast.AnnAssign(target=target, annotation=annotation, value=given):
            if given is not None:
                yield target, given
            yield target, instance(annotation)
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
            yield target, value


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            yield from _pairs(inner, part)
    else:
        yield target, value


def instance(annotation: ast.expr) -> ast.Call:
    """Return a call that gives an object of what *annotation* names."""
    return ast.Call(_class(annotation), [], [])


def _class(annotation: ast.expr) -> ast.expr:
    """Return the class in *annotation*: in quotes, or beside `None`."""
    match annotation:
        case ast.Constant(value=str(text)):
            try:
                return _class(ast.parse(text.strip(), mode="eval").body)
            except SyntaxError:
                return annotation
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _class(right if _is_none(left) else left)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            if name in {"Optional", "ClassVar", "Final"}:
                return _class(inner)
            if name in {"Annotated", "Union"} and isinstance(inner, ast.Tuple):
                return _class(next(each for each in inner.elts if not _is_none(each)))
    return annotation


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def alternatives(value: ast.expr) -> Iterator[ast.expr]:
    """Yield what *value* may be: each side of `a or b`, and of `a if test else b`."""
    match value:
        case ast.IfExp(body=body, orelse=other):
            yield from alternatives(body)
            yield from alternatives(other)
        case ast.BoolOp(values=values):
            for each in values:
                yield from alternatives(each)
        case ast.NamedExpr(value=inner):
            yield from alternatives(inner)
        case _:
            yield value


@lru_cache(maxsize=65536)
def mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))


def _imported_from(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)
