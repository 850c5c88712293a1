"""Read a code base: its modules, functions and classes, and what each name in them means.

Names are full names, such as `requests.Session().get`; `()` stands for a call's result. What
reading alone cannot tell has no name.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
_TESTS = {"tests", "test"}
_SKIPPED = {"build", "dist", "node_modules", "site-packages", "__pycache__", *_TESTS}
#: Levels of nesting, each `elif` and each `+` of a chain is one; and the calls that they take.
DEEPEST, CALLS = 600, 12_000
#: How many names a look-up may pass through; more means a circle.
_DEPTH = 24
#: Methods that return an object of the model that they are called for.
_OF_A_QUERY = re.compile(r"<(.+)>\.query\.(?:.*\.)?(?:first|get|one)(?:_or_404|_or_none)?")


@dataclass(eq=False)
class Scope:
    """A module, a class or a function, with the names that are bound in it."""

    module: Module
    name: str
    node: ast.AST
    parent: Scope | None = None
    names: dict[str, str | ast.expr] = field(default_factory=dict)

    @property
    def around(self) -> Iterator[Scope]:
        """Yield the scopes that this one is in, the innermost first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent

    def bound(self, name: str) -> tuple[Scope, str | ast.expr] | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names and (scope is self or not isinstance(scope.node, ast.ClassDef)):
                return scope, scope.names[name]
            scope = scope.parent
        return None


@dataclass(eq=False)
class Function(Scope):
    """A function, or a method of *owner*."""

    node: FunctionDef = field(kw_only=True)
    owner: Scope | None = None

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def place(self) -> str:
        return f"{self.module.shown}:{self.node.lineno}"

    @cached_property
    def own_nodes(self) -> list[ast.AST]:
        """Return the nodes that run when the function runs, without functions that it defines."""
        return [node for statement in self.node.body for node in own_nodes(statement)]


@dataclass(eq=False)
class Module(Scope):
    path: Path = field(kw_only=True)
    shown: str = field(kw_only=True)
    #: The path relative to the folder that is read.
    below: Path = field(kw_only=True)
    tree: ast.Module = field(kw_only=True)
    #: Modules of which it imports all names.
    stars: list[str] = field(default_factory=list)

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield *node* and the nodes in it, except those that run at another time."""
    yield node
    if isinstance(node, (FunctionDef, ast.Lambda, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(node):
        yield from own_nodes(child)


class CodeBase:
    """The Python files in a folder, or one file; *unread* has those left out, and why."""

    def __init__(
        self, path: Path, with_tests: bool = False, unread: Mapping[str, str] | None = None
    ) -> None:
        self.top = path.resolve() if path.is_dir() else path.resolve().parent
        self.modules: dict[str, Module] = {}
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, Scope] = {}
        #: The values assigned to attributes, by full names.
        self.attributes: dict[str, list[tuple[Scope, ast.expr]]] = {}
        self.unread: list[tuple[str, str]] = []
        self._left = unread or {}
        sys.setrecursionlimit(max(sys.getrecursionlimit(), CALLS))
        for file in python_files(path, with_tests):
            self._read(file)
        for function in [*self.functions.values()]:
            self._note_attributes(function)

    def _read(self, file: Path) -> None:
        shown = os.path.relpath(file)
        shown = str(file) if shown.startswith("..") else shown
        if (why := self._left.get(str(file))) is not None:
            self.unread.append((f"{shown}:1", why))
            return
        try:
            tree = _parsed(file)
            _check_depth(tree)
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
                    _bind(scope, node)

    def _add_function(self, scope: Scope, node: FunctionDef) -> None:
        name = f"{scope.name}.{node.name}"
        owner = scope if isinstance(scope.node, ast.ClassDef) else None
        function = Function(scope.module, name, node=node, parent=scope, owner=owner)
        scope.names[node.name] = name
        if (earlier := self.functions.get(name)) is not None:
            self.functions[f"{name}@{earlier.node.lineno}"] = earlier
        self.functions[name] = function
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for number, argument in enumerate(arguments):
            if owner is not None and number == 0:
                function.names[argument.arg] = f"{owner.name}()"
            elif argument.annotation is not None:
                function.names[argument.arg] = ast.Call(argument.annotation, [], [])
            else:
                function.names[argument.arg] = ""
        self._fill(function, node.body)

    def _add_class(self, scope: Scope, node: ast.ClassDef) -> None:
        name = f"{scope.name}.{node.name}"
        scope.names[node.name] = name
        self.classes[name] = found = Scope(scope.module, name, node, scope)
        self._fill(found, node.body)

    def _note_attributes(self, function: Function) -> None:
        for node in function.own_nodes:
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Attribute) and (name := self.name_of(target, function)):
                    self.attributes.setdefault(name, []).append((function, node.value))

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

    # --- names -----------------------------------------------------------------------------------

    def name_of(self, node: ast.expr, scope: Scope, depth: int = 0) -> str:
        """Return the full name of what *node* means in *scope*; empty if reading cannot tell."""
        if depth > _DEPTH:
            return ""
        if isinstance(node, ast.Name):
            return self._name_of_name(node.id, scope, depth)
        if isinstance(node, ast.Attribute):
            base = self.name_of(node.value, scope, depth + 1)
            return self._expanded(f"{base}.{node.attr}", depth) if base else f"?.{node.attr}"
        if isinstance(node, ast.Call):
            called = self.name_of(node.func, scope, depth + 1)
            return self._result(called, depth) if called else ""
        return ""

    def _name_of_name(self, name: str, scope: Scope, depth: int) -> str:
        found = scope.bound(name)
        if found is None:
            source = self.starred(name, scope.module)
            return self._expanded(source, depth + 1) if source else name
        where, value = found
        if isinstance(value, str):
            return self._expanded(value, depth) if value else ""
        # In a function, `x = x.y` refers to the outer `x`.
        outer = where.parent if _mentions(value, name) else where
        return self.name_of(value, outer, depth + 1) if outer is not None else ""

    def starred(self, name: str, module: Module, seen: frozenset[str] = frozenset()) -> str:
        """Return the full name of *name*, if `from ... import *` brings it to *module*."""
        outside = [each for each in module.stars if each not in self.modules]
        for source in reversed([each for each in module.stars if each not in {*outside, *seen}]):
            if name in self.modules[source].names:
                return f"{source}.{name}"
            if found := self.starred(name, self.modules[source], seen | {module.name}):
                return found
        known = len(outside) != 1 or hasattr(builtins, name)
        return "" if known else f"{outside[0]}.{name}"

    def expanded(self, name: str) -> str:
        """Return the full name that *name* was imported from."""
        return self._expanded(name, 0)

    def _expanded(self, name: str, depth: int) -> str:
        """Follow *name* to its origin, through modules of the code base."""
        if depth > _DEPTH:
            return ""
        if name in self.attributes:
            given = self.attributes[name]
            found = (self.name_of(value, scope, depth + 1) for scope, value in given)
            return next(filter(None, found), name)
        if name in self.functions or name in self.classes:
            return name
        head, _, last = name.rpartition(".")
        if head in self.modules and last in self.modules[head].names:
            value_or_name = self.modules[head].names[last]
            if value_or_name != name:
                return self._name_of_name(last, self.modules[head], depth + 1)
        if head in self.classes and (method := self.method(head, last)):
            return method.name
        if head.endswith("()") and (method := self.method(head[:-2], last)):
            return method.name
        return f"<{head}>.{last}" if last == "query" and self._is_model(head) else name

    def _is_model(self, name: str) -> bool:
        """Whether *name* is a class derived from Flask-SQLAlchemy's `Model`."""
        return any(base.endswith("SQLAlchemy().Model") for base in self.bases(name))

    def _result(self, called: str, depth: int) -> str:
        """Return the full name of what *called* returns, if a `return` statement tells."""
        function = self.functions.get(called)
        if function is not None and not function.is_async:
            # What a pytest fixture yields counts as its result.
            gives = (ast.Return, ast.Yield) if function.node.decorator_list else ast.Return
            for node in function.own_nodes:
                value = node.value if isinstance(node, gives) else None
                if value is not None and (found := self.name_of(value, function, depth + 1)):
                    return found
        if found_by_query := _OF_A_QUERY.fullmatch(called):
            return f"{found_by_query[1]}()"
        return f"{called}()"

    def bases(self, name: str) -> Iterator[str]:
        """Yield the full names of the classes that *name* is derived from."""
        found = self.classes.get(name)
        if found is None or not isinstance(found.node, ast.ClassDef):
            return
        for base in found.node.bases:
            base_name = self.name_of(base, found.parent or found)
            if base_name and base_name != name:
                yield base_name
                yield from self.bases(base_name)

    def method(self, owner: str, name: str) -> Function | None:
        for candidate in [owner, *self.bases(owner)] if owner in self.classes else ():
            if found := self.functions.get(f"{candidate}.{name}"):
                return found
        return None

    def called(self, name: str) -> Function | None:
        """Return the function of the code base that runs when *name* is called."""
        if name in self.classes:
            return self.method(name, "__init__")
        return self.functions.get(name)


def _parsed(file: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the code that is read, such as `"\\s"`.
        return ast.parse(file.read_bytes(), str(file))


def _check_depth(tree: ast.Module) -> None:
    """Look at how deep *tree* is: it is walked by functions that call themselves.

    Raises:
        ValueError: if that is too deep.
    """
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _mentions(value: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value))


def _bind(scope: Scope, node: ast.AST) -> None:
    """Record what *node* binds in *scope*; the first binding of a name counts."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            scope.names[bound] = alias.name if alias.asname else bound
    elif isinstance(node, ast.ImportFrom):
        base = _imported_from(scope.module, node)
        for alias in node.names:
            if alias.name == "*":
                scope.module.stars.append(base)
            else:
                scope.names[alias.asname or alias.name] = f"{base}.{alias.name}"
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                scope.names.setdefault(target.id, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
        if isinstance(node.target, ast.Name) and node.value is not None:
            scope.names.setdefault(node.target.id, node.value)
    elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
        scope.names.setdefault(node.optional_vars.id, node.context_expr)


def _imported_from(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def python_files(path: Path, with_tests: bool = False) -> Iterator[Path]:
    skipped = _SKIPPED - _TESTS if with_tests else _SKIPPED
    if path.is_file():
        yield path.resolve()
        return
    for folder, folders, files in os.walk(path.resolve()):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in skipped
            and not name.startswith(".")
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            # Links that lead nowhere, and pipes, have nothing to read.
            if (
                name.endswith(".py")
                and os.path.isfile(here / name)
                and (with_tests or not is_test(here / name))
            ):
                yield here / name


def is_test(file: Path) -> bool:
    return file.name.startswith("test_") or file.name == "conftest.py"


def is_in_tests(module: Module) -> bool:
    """Whether *module* is a test, or is in a folder of tests of its code base."""
    return is_test(module.path) or bool(_TESTS.intersection(module.below.parts[:-1]))


def module_name(file: Path) -> str:
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or file.parent.name
