"""Find what blocks in a view: in itself, in helpers, and in code that others call for it."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable
from dataclasses import dataclass

from ..blocking import ANOTHER_LOOP, HELD, Unit
from ..code import CodeBase
from ..reaching import blocked_by, is_awaited, reached, run_by, run_without_call, runs_here
from ..scopes import Function
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
    found = (_use(code, function, place, apart) for place in walk(function))
    return [use for use in found if use is not None]


def _use(
    code: CodeBase, function: Function, place: Place, apart: Container[Function]
) -> Use | None:
    node = place.node
    if isinstance(node, ast.Call) and is_awaited(node, function):
        return None
    if (blocked := blocked_by(code, node, function)) is not None:
        what, family = blocked
        is_call = isinstance(node, ast.Call) and what is node.func
        call = node if isinstance(node, ast.Call) and is_call else _as_call(what)
        unit: Unit = family.unit if is_call else "request"
        name, runs_loop = code.name_of(call.func, function), family.kind == ANOTHER_LOOP
        return Use(call, name, place, family.kind, unit, False, runs_loop)
    return _helped(code, function, place, apart)


def _helped(
    code: CodeBase, function: Function, place: Place, apart: Container[Function]
) -> Use | None:
    """Return the use of a helper of the code base that blocks, whole."""
    node, helpers = place.node, []
    for called in run_by(code, place.node, function):
        is_here = called not in apart and not called.is_async and runs_here(code, called)
        if called is not function and is_here and (sites := list(reached(code, called))):
            helpers.append((called, sites))
    if not helpers:
        return None
    sites = [site for _, each in helpers for site in each]
    implied = [*run_without_call(code, node, function)]
    is_call = isinstance(node, ast.Call) and all(called not in implied for called, _ in helpers)
    stays = not is_call or any(is_generator(called) for called, _ in helpers)
    belongs = stays or any(site.family.unit == "request" for site in sites)
    call = node if is_call else _as_call(node)
    assert isinstance(call, ast.Call)
    runs_loop = any(site.family.kind == ANOTHER_LOOP for site in sites)
    unit: Unit = "request" if belongs else "call"
    name = code.name_of(call.func, function)
    return Use(call, name, place, sites[0].family.kind, unit, True, runs_loop)


def _as_call(node: ast.AST) -> ast.Call:
    """Return a call that stands for what *node* runs, and where it does."""
    match node:
        case ast.withitem(context_expr=inner) | ast.For(iter=inner) | ast.comprehension(iter=inner):
            pass
        case ast.expr() as inner:
            pass
        case _:
            raise TypeError(f"Expected what runs something, got {node!r}.")
    return ast.copy_location(ast.Call(inner, [], []), inner)


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
