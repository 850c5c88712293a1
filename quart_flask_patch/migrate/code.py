"""Read a code base: its modules, functions and classes, and what each name in them means."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from .bindings import assigned, bind, instance
from .files import CALLS, check_depth, module_name, parsed, python_files
from .meaning import Meanings
from .scopes import Function, FunctionDef, Module, own_nodes, Scope


class CodeBase(Meanings):
    """The Python files in a folder, or one file; *unread* has those left out, and why."""

    def __init__(
        self, path: Path, with_tests: bool = False, unread: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.top = path.resolve() if path.is_dir() else path.resolve().parent
        self.unread: list[tuple[str, str]] = []
        self._left = unread or {}
        sys.setrecursionlimit(max(sys.getrecursionlimit(), CALLS))
        for file in python_files(path, with_tests):
            self._read(file)
        for function in self.functions.values():
            self._note_attributes(function)
        for module in self.modules.values():
            self._note_attributes(module)
        self._is_read = True

    def _read(self, file: Path) -> None:
        shown = os.path.relpath(file)
        shown = str(file) if shown.startswith("..") else shown
        if (why := self._left.get(str(file))) is not None:
            self.unread.append((f"{shown}:1", why))
            return
        try:
            tree = parsed(file)
            check_depth(tree)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.unread.append((f"{shown}:{getattr(error, 'lineno', 1) or 1}", str(error)))
            return
        name = module_name(file)
        below = file.relative_to(self.top)
        module = Module(None, name, tree, path=file, shown=shown, below=below, tree=tree)  # type: ignore[arg-type]  # itself
        module.module = self.modules[name] = module
        self._fill(module, tree.body)

    def _fill(self, scope: Scope, body: list[ast.stmt]) -> None:
        for statement in body:
            for node in own_nodes(statement):
                if isinstance(node, FunctionDef):
                    self._add_function(scope, node)
                elif isinstance(node, ast.ClassDef):
                    self._add_class(scope, node)
                else:
                    bind(scope, node)

    def _add_function(self, scope: Scope, node: FunctionDef) -> None:
        name = f"{scope.name}.{node.name}"
        owner = scope if isinstance(scope.node, ast.ClassDef) else None
        function = Function(scope.module, name, node=node, parent=scope, owner=owner)
        scope.names[node.name] = name
        earlier = self.functions.get(name)
        if earlier is not None and earlier.is_property:
            # `@x.setter` and its like leave `x` the property that it is.
            self.functions[f"{name}@{node.lineno}"] = function
        else:
            if earlier is not None:
                self.functions[f"{name}@{earlier.node.lineno}"] = earlier
            self.functions[name] = function
        self._add_parameters(function)
        self._fill(function, node.body)

    def _add_parameters(self, function: Function) -> None:
        arguments = function.node.args
        places = [*arguments.posonlyargs, *arguments.args]
        for argument in [*places, *arguments.kwonlyargs]:
            if argument.annotation is not None:
                function.names[argument.arg] = instance(argument.annotation)
            else:
                function.names[argument.arg] = ""
        defaults = [*zip(reversed(places), reversed(arguments.defaults), strict=False)]
        for argument, default in [
            *defaults,
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]:
            if default is not None:
                function.others.setdefault(argument.arg, []).append(default)
        if places and function.is_bound and function.owner is not None:
            is_class = "classmethod" in function.decorators
            function.names[places[0].arg] = function.owner.name + ("" if is_class else "()")

    def _add_class(self, scope: Scope, node: ast.ClassDef) -> None:
        name = f"{scope.name}.{node.name}"
        scope.names[node.name] = name
        self.classes[name] = found = Scope(scope.module, name, node, scope)
        self._fill(found, node.body)

    def _note_attributes(self, scope: Function | Module) -> None:
        for node in scope.own_nodes:
            for target, value in assigned(node):
                if name := self._attribute(target, scope):
                    self.attributes.setdefault(name, []).append((scope, value))

    def _attribute(self, target: ast.expr, scope: Scope) -> str:
        """Return the full name of an attribute or an item that is assigned to."""
        match target:
            case ast.Attribute(value=value, attr=attr):
                last = f".{attr}"
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
                last = f'["{key}"]'
            case _:
                return ""
        base = self.name_of(value, scope)
        return f"{base}{last}" if base and not base.startswith("?") else ""

    @cached_property
    def _inner(self) -> dict[Scope, list[Function]]:
        found: dict[Scope, list[Function]] = {}
        for function in self.functions.values():
            for scope in function.around:
                found.setdefault(scope, []).append(function)
        return found

    def inside(self, scope: Scope) -> list[Function]:
        """Return the functions that are defined in *scope*, at any depth."""
        return self._inner.get(scope, [])
