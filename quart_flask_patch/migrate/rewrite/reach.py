"""Find what blocks in a view: in itself, in helpers, and in code that others call for it."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from ..blocking import ANOTHER_LOOP, blocking, HELD, Unit
from ..code import CodeBase, Function, Scope
from ..source import is_awaited, reached, runs_here, Site
from .views import variable_of
from .walk import is_generator, Place, walk


@dataclass(frozen=True, slots=True)
class Use:
    """A call in a function that blocks, directly or through a *helper* of the code base."""

    call: ast.Call
    name: str
    place: Place
    kind: str
    unit: Unit
    is_helper: bool
    #: Whether the call runs an event loop.
    runs_loop: bool

    @property
    def can_move(self) -> bool:
        """Whether the call can be awaited at its position."""
        return self.unit == "call" and not self.place.obstacle


def uses(code: CodeBase, function: Function, apart: Container[Function] = ()) -> list[Use]:
    """Return what blocks in *function*; those in *apart* are async, or become async."""
    return [
        use
        for place in walk(function)
        if isinstance(place.node, ast.Call) and not is_awaited(place.node, function)
        if (use := _use(code, function, place, place.node, apart)) is not None
    ]


def _use(
    code: CodeBase, function: Function, place: Place, call: ast.Call, apart: Container[Function]
) -> Use | None:
    name = code.name_of(call.func, function)
    called = code.called(name)
    if called is None:
        family = blocking(name)
        if family is None:
            return None
        runs_loop = family.kind == ANOTHER_LOOP
        return Use(call, name, place, family.kind, family.unit, False, runs_loop)
    if called is function or called in apart or called.is_async or not runs_here(code, called):
        return None
    sites = list(reached(code, called))
    if not sites:
        return None
    belongs = is_generator(called) or any(site.family.unit == "request" for site in sites)
    unit: Unit = "request" if belongs else "call"
    runs_loop = any(site.family.kind == ANOTHER_LOOP for site in sites)
    return Use(call, name, place, sites[0].family.kind, unit, True, runs_loop)


def async_callees(code: CodeBase, starts: Iterable[Function]) -> list[Function]:
    """Return the async functions that *starts* call, directly or through async functions."""
    found: list[Function] = []
    to_do = list(starts)
    while to_do:
        function = to_do.pop(0)
        for node in function.own_nodes:
            if isinstance(node, ast.Call):
                called = code.called(code.name_of(node.func, function))
                if called is not None and called.is_async and called not in found:
                    found.append(called)
                    to_do.append(called)
    return found


def is_held(code: CodeBase, function: Function, use: Use) -> bool:
    """Whether *use* is inside a block that holds a lock or a connection."""
    return any(
        HELD.fullmatch(code.name_of(item.context_expr, function))
        for each in use.place.around
        if isinstance(each, ast.With)
        for item in each.items
    )


class Implied:
    """Finds what a view causes to be called without a call: decorators, callbacks, forms."""

    def __init__(self, code: CodeBase) -> None:
        self.code = code
        #: Functions by the variable that they are registered on, such as an `HTTPAuth`.
        self.callbacks: dict[str, list[Function]] = {}
        for function in code.functions.values():
            around = function.parent or function
            for node in function.node.decorator_list:
                if variable := self._object(node, around):
                    self.callbacks.setdefault(variable, []).append(function)

    def _object(self, node: ast.expr, scope: Scope) -> str:
        named = node.func if isinstance(node, ast.Call) else node
        if not isinstance(named, ast.Attribute):
            return ""
        return variable_of(self.code, named.value, scope)

    def sites(self, function: Function, decorators: Iterable[ast.expr]) -> Iterator[Site]:
        for called in self._called(function, decorators):
            yield from reached(self.code, called)

    def _called(self, function: Function, decorators: Iterable[ast.expr]) -> Iterator[Function]:
        around = function.parent or function
        for node in decorators:
            named = node.func if isinstance(node, ast.Call) else node
            decorator = self.code.functions.get(self.code.name_of(named, around))
            if decorator is not None:
                yield from self.code.inside(decorator)
            callbacks = self.callbacks.get(self._object(node, around), ())
            yield from (one for one in callbacks if not _is_view_of(one, function, node))
        for each in function.own_nodes:
            if isinstance(each, ast.Call):
                yield from self._methods(self.code.name_of(each.func, function))

    def _methods(self, name: str) -> Iterator[Function]:
        """Yield the methods of a class with a foreign base class, which may call them."""
        if name not in self.code.classes:
            return
        bases = list(self.code.bases(name))
        if any(base not in self.code.classes for base in bases):
            known = (self.code.classes.get(each) for each in [name, *bases])
            owners = [each for each in known if each is not None]
            for owner in owners:
                yield from (each for each in self.code.inside(owner) if each.owner is owner)


def _is_view_of(callback: Function, function: Function, node: ast.expr) -> bool:
    """Whether *callback* is decorated as *function* is, and so is a view itself."""
    named = node.func if isinstance(node, ast.Call) else node
    attribute = named.attr if isinstance(named, ast.Attribute) else ""
    return callback is function or any(
        getattr(each.func if isinstance(each, ast.Call) else each, "attr", "") == attribute
        for each in callback.node.decorator_list
    )
