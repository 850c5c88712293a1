"""Find a `dispatch_request` of the code base that calls a view's methods by their names."""

from __future__ import annotations

import ast

from ..code import CodeBase
from ..scopes import Function
from .decorators import handles_async
from .walk import Place, walk


def dispatching(code: CodeBase, method: Function) -> list[tuple[Function, Place]]:
    """Return the calls by which such a function runs *method*, and would not await it.

    As in `getattr(self, request.method.lower())()`; Flask's own asks whether it is async.
    """
    if method.owner is None or method.node.name == "dispatch_request":
        return []
    caller = code.method(method.owner.name, "dispatch_request")
    if caller is None or handles_async(caller):
        return []
    awaited = {id(n.value) for n in caller.own_nodes if isinstance(n, ast.Await)}
    return [
        (caller, place)
        for place in walk(caller)
        if isinstance(place.node, ast.Call)
        and id(place.node) not in awaited
        and code.name_of(place.node.func, caller) == "getattr()"
    ]
