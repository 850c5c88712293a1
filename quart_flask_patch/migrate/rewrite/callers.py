"""Find the calls of a function in the code base, by its name."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from ..code import CodeBase
from ..entries import scopes
from ..scopes import Function, is_in_tests, Module
from .walk import Place, walk


@dataclass(frozen=True, slots=True)
class Caller:
    scope: Function | Module
    call: ast.Call
    place: Place
    is_awaited: bool

    @property
    def is_fixed(self) -> bool:
        """Whether the call cannot be changed, as it runs at import or in a test."""
        return isinstance(self.scope, Module) or is_in_tests(self.scope.module)

    @property
    def shown(self) -> str:
        return f"{self.scope.module.shown}:{self.call.lineno}"


class Callers:
    def __init__(self, code: CodeBase) -> None:
        self.code = code
        self._found: dict[Function, list[Caller]] = {}
        for scope in scopes(code):
            places = list(walk(scope))
            awaited = {id(p.node.value) for p in places if isinstance(p.node, ast.Await)}
            for place in places:
                if isinstance(place.node, ast.Call):
                    called = self._called(place.node, scope)
                    if called is not None:
                        caller = Caller(scope, place.node, place, id(place.node) in awaited)
                        self._found.setdefault(called, []).append(caller)

    def of(self, function: Function) -> Sequence[Caller]:
        return self._found.get(function, ())

    def _called(self, call: ast.Call, scope: Function | Module) -> Function | None:
        match call.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                owner = scope.owner if isinstance(scope, Function) else None
                bases = self.code.bases(owner.name) if owner is not None else ()
                methods = (self.code.functions.get(f"{base}.{name}") for base in bases)
                return next(filter(None, methods), None)
        return self.code.functions.get(self.code.name_of(call.func, scope))
