"""Turn imports of Flask and of the layer into imports of the core, or remove them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..code import CodeBase
from ..entries import scopes
from ..findings import Finding
from ..scopes import Function, Module, Scope, without_call
from .annotations import annotations_in, in_quotes, of_signature
from .core_names import core_name
from .outcome import said
from .spots import Changes
from .walk import walk

_LAYER = ("quart_flask_patch", "quart.flask_patch")


def move_imports(code: CodeBase, changes: Changes) -> list[Finding]:
    findings = [found for module in code.modules.values() for found in _move(module, changes)]
    for scope in scopes(code):
        _rename(code, scope, changes)
        if isinstance(scope, Function):
            _undecorate(code, scope, changes)
    return findings


def _move(module: Module, changes: Changes) -> Iterator[Finding]:
    edits = changes.of(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            start = changes.start(module, node)
            if node.module.startswith(_LAYER):
                edits.removed.add(start)
            elif node.module.partition(".")[0] == "flask":
                moved = {f"{node.module} ": f"quart{node.module.removeprefix('flask')}"}
                for alias in node.names:
                    new = core_name(node.module, alias.name)
                    if new is None:
                        place = f"{module.shown}:{node.lineno}"
                        what = f"{node.module}.{alias.name} has no counterpart in quart"
                        yield said("warning", "no-such-name", place, what, "look for another way")
                    elif new != alias.name:
                        moved[alias.name] = new
                edits.moved[start] = moved
        elif isinstance(node, ast.Import):
            start = changes.start(module, node)
            if all(alias.name.startswith(_LAYER) for alias in node.names):
                edits.removed.add(start)
                continue
            moved = {
                alias.name: f"quart{alias.name.removeprefix('flask')}"
                for alias in node.names
                if alias.name.partition(".")[0] == "flask"
            }
            if moved:
                edits.moved[start] = moved


def _rename(code: CodeBase, scope: Function | Module, changes: Changes) -> None:
    """Rename `Flask`, and `flask` where code uses the module itself."""
    module = scope.module
    quoted = {node for each in annotations_in(scope) for node in in_quotes(each)}
    for node in _all_nodes(scope):
        if isinstance(node, ast.Name | ast.Attribute):
            new = _renamed(code, node, scope)
        elif isinstance(node, ast.Constant) and node in quoted:
            new = _requoted(code, node, scope, changes)
        else:
            continue
        if new:
            changes.of(module).renamed[changes.spot(module, node)] = new


def _renamed(code: CodeBase, node: ast.Name | ast.Attribute, scope: Scope) -> str:
    """Return the core's name for *node*; empty if it stays."""
    name = code.name_of(node, scope)
    if isinstance(node, ast.Name) and node.id == name == "flask":
        return "quart"
    return _new_name(node, name)


def _requoted(code: CodeBase, node: ast.Constant, scope: Scope, changes: Changes) -> str:
    """Return the string *node*, an annotation, with the core's names; empty if it stays."""
    literal, text = changes.text(scope.module).segment(node), str(node.value)
    new = _retold(code, text, scope)
    return literal.replace(text, new) if new != text and literal.count(text) == 1 else ""


def _retold(code: CodeBase, text: str, scope: Scope) -> str:
    """Return *text*, an expression, with the core's names."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return text
    inner = {*in_quotes(tree)}
    data = text.encode()
    to_do: list[ast.AST] = [tree]
    found: list[tuple[int, int, bytes]] = []
    while to_do:
        node = to_do.pop()
        new = old = ""
        if isinstance(node, ast.Name | ast.Attribute):
            new = _renamed(code, node, scope)
        elif isinstance(node, ast.Constant) and node in inner:
            old = str(node.value)
            new = _retold(code, old, scope)
        if new == old or not isinstance(node, ast.expr) or "\n" in text:
            to_do += ast.iter_child_nodes(node)
            continue
        start, end = node.col_offset, node.end_col_offset or 0
        old = old or data[start:end].decode()
        found.append((start, end, data[start:end].replace(old.encode(), new.encode())))
    for start, end, new_data in sorted(found, reverse=True):
        data = data[:start] + new_data + data[end:]
    return data.decode()


def _new_name(node: ast.Name | ast.Attribute, meant: str) -> str:
    """Return what *node* is called in the core, if it has another name there."""
    head, _, last = meant.rpartition(".")
    if head.partition(".")[0] != "flask":
        return ""
    new = core_name(head, last)
    if not new or new == last:
        return ""
    if isinstance(node, ast.Name):
        return new if node.id == last else ""
    return f"quart{head.removeprefix('flask')}.{new}" if ast.unparse(node) == meant else ""


def _all_nodes(scope: Function | Module) -> Iterator[ast.AST]:
    for place in walk(scope):
        yield place.node
    if isinstance(scope, Function):
        for annotation in of_signature(scope):
            yield from ast.walk(annotation)


def _undecorate(code: CodeBase, function: Function, changes: Changes) -> None:
    around = function.parent or function
    for node in function.node.decorator_list:
        named = without_call(node)
        names = {f"{layer}.{name}" for layer in _LAYER for name in ("runs_in", "awaited")}
        if code.name_of(named, around) in names:
            edits = changes.of(function.module)
            edits.undecorated.add(changes.spot(function.module, node))
