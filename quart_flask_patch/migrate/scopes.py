"""The parts of a code base: modules, classes and functions, with the names bound in them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from .files import is_among_tests

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
#: Decorators of methods that run when an attribute is read.
_PROPERTIES = {"property", "cached_property", "hybrid_property"}


@dataclass(eq=False)
class Scope:
    """A module, a class or a function, with the names that are bound in it."""

    module: Module
    name: str
    node: ast.AST
    parent: Scope | None = None
    names: dict[str, str | ast.expr] = field(default_factory=dict)
    #: Further values that the names get.
    others: dict[str, list[ast.expr]] = field(default_factory=dict)
    #: Names that a function binds in its module, by `global`.
    shared: set[str] = field(default_factory=set)

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
    def decorators(self) -> frozenset[str]:
        """Return the last names of its decorators."""
        return frozenset(last_name(node) for node in self.node.decorator_list)

    @property
    def is_property(self) -> bool:
        return not self.decorators.isdisjoint(_PROPERTIES)

    @property
    def is_bound(self) -> bool:
        """Whether its first parameter is the object or the class that it is called on."""
        return self.owner is not None and "staticmethod" not in self.decorators

    @cached_property
    def awaited(self) -> frozenset[int]:
        """Return the identities of the nodes that are awaited in it."""
        return frozenset(id(n.value) for n in self.own_nodes if isinstance(n, ast.Await))

    @cached_property
    def parameters(self) -> frozenset[str]:
        arguments = self.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        return frozenset(each.arg for each in every)

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

    @cached_property
    def own_nodes(self) -> list[ast.AST]:
        """Return the nodes that run when the module is imported."""
        return [node for statement in self.tree.body for node in own_nodes(statement)]

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]


def without_call(node: ast.expr) -> ast.expr:
    """Return `a.b` of `a.b` and of `a.b(...)`, as decorators are written."""
    return node.func if isinstance(node, ast.Call) else node


def last_name(node: ast.expr) -> str:
    """Return `c` of `a.b.c`, of `a.b.c(...)` and of `c`."""
    named = without_call(node)
    return named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield *node* and the nodes in it, except those that run at another time."""
    yield node
    if isinstance(node, (FunctionDef, ast.Lambda, ast.ClassDef)):
        return
    for child in ast.iter_child_nodes(node):
        yield from own_nodes(child)


def is_in_tests(module: Module) -> bool:
    return is_among_tests(module.path, module.below)
