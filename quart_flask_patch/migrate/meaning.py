"""Tell what names mean: what they were imported, assigned, returned or given as."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from .bindings import alternatives, instance, mentions
from .blocking import Blocking, blocking
from .passing import argument, Calls
from .scopes import Function, Module, Scope

#: How many names a look-up may pass through; more means a circle.
_DEPTH = 24
#: What was found at a smaller depth than this is remembered.
_SHALLOW = 4
#: Methods that return an object of the model that they are called for.
_OF_A_QUERY = re.compile(r"<(.+)>\.query\.(?:.*\.)?(?:first|get|one)(?:_or_404|_or_none)?")
#: Two names of one object.
_APP = {"flask.Flask()": "flask.current_app", "flask.current_app": "flask.Flask()"}

Value = tuple[Scope, ast.expr]


@dataclass(slots=True)
class Followed:
    """What runs from a function: functions of the code base, and what blocks in it itself."""

    calls: list[Function]
    blocks: list[tuple[ast.expr, Blocking]]


class Meanings:
    """What the names in modules, classes and functions mean.

    Names are full names, such as `requests.Session().get`; `()` stands for a call's result. What
    reading alone cannot tell has no name, and its attributes have names that begin with `?`.
    """

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, Scope] = {}
        #: The values assigned to attributes and to items, by full names.
        self.attributes: dict[str, list[Value]] = {}
        #: What the parameters of functions are given, as far as it was asked for.
        self._given: dict[tuple[Function, str], str] = {}
        self._asked: list[tuple[Function, str]] = []
        self._is_circle = self._is_read = False
        self._names: dict[tuple[ast.expr, Scope], str] = {}
        self._bound: dict[tuple[str, Scope], str] = {}
        self._origins: dict[str, str] = {}
        self._bases: dict[str, tuple[str, ...]] = {}
        #: What runs from functions, as far as it was asked for.
        self.followed: dict[Function, Followed] = {}

    def forget(self) -> None:
        """Forget what names meant; call this after you have bound some."""
        for known in self._names, self._bound, self._origins, self._bases:
            known.clear()
        self._given.clear()
        self.followed.clear()

    def name_of(self, node: ast.expr, scope: Scope, depth: int = 0) -> str:
        """Return the full name of what *node* means in *scope*; empty if reading cannot tell."""
        if depth > _DEPTH:
            return ""
        key = node, scope
        if (known := self._names.get(key)) is not None:
            return known
        found = self._meaning(node, scope, depth)
        if self._is_whole(depth):
            self._names[key] = found
        return found

    def _meaning(self, node: ast.expr, scope: Scope, depth: int) -> str:
        match node:
            case ast.Name(id=name):
                return self._name_of_name(name, scope, depth)
            case ast.Attribute(value=value, attr=attr):
                base = self.name_of(value, scope, depth + 1)
                return self._expanded(f"{base}.{attr}", depth) if base else f"?.{attr}"
            case ast.Call(func=ast.Name(id="super")) if isinstance(scope, Function):
                return self._super(scope)
            case ast.Call(func=func):
                called = self.name_of(func, scope, depth + 1)
                return self._result(called, depth) if called else ""
            case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
                base = self.name_of(value, scope, depth + 1)
                return self._assigned(base, f'["{key}"]', depth) if base else ""
            case ast.IfExp() | ast.BoolOp() | ast.NamedExpr():
                return self._known(((each, scope) for each in alternatives(node)), depth)
        return ""

    def _known(self, values: Iterable[tuple[ast.expr, Scope]], depth: int = 0) -> str:
        """Return the name of the first value that has one; rather one that is known whole."""
        found = ""
        for value, scope in values:
            name = self.name_of(value, scope, depth + 1)
            if name and not name.startswith("?"):
                return name
            found = found or name
        return found

    def _name_of_name(self, name: str, scope: Scope, depth: int) -> str:
        found = scope.bound(name)
        if found is None:
            source = self.starred(name, scope.module)
            return self._expanded(source, depth + 1) if source else name
        where, value = found
        if isinstance(value, str) and value:
            return self._expanded(value, depth)
        key = name, where
        if (known := self._bound.get(key)) is not None:
            return known
        meant = self._name_of_value(name, where, value, depth)
        if self._is_whole(depth):
            self._bound[key] = meant
        return meant

    def _is_whole(self, depth: int) -> bool:
        """Whether what is found now is all that can be found, and may be remembered."""
        return self._is_read and not self._asked and depth < _SHALLOW

    def _name_of_value(self, name: str, where: Scope, value: str | ast.expr, depth: int) -> str:
        values = [value] if isinstance(value, ast.expr) else []
        named = self._known(_meant(name, where, [*values, *where.others.get(name, ())]), depth)
        if (not named or named.startswith("?")) and isinstance(where, Function):
            return self._name_given(where, name) or named
        return named

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
        if (known := self._origins.get(name)) is not None:
            return known
        found = self._origin(name, depth)
        if self._is_whole(depth):
            self._origins[name] = found
        return found

    def _origin(self, name: str, depth: int) -> str:
        head, _, last = name.rpartition(".")
        if found := self._assigned(head, f".{last}", depth):
            return found
        if name in self.functions or name in self.classes:
            return name
        if head in self.modules and last in self.modules[head].names:
            value_or_name = self.modules[head].names[last]
            if value_or_name != name:
                return self._name_of_name(last, self.modules[head], depth + 1)
        elif head in self.modules and (source := self.starred(last, self.modules[head])):
            return self._expanded(source, depth + 1)
        if last == "query" and self._is_model(head):
            return f"<{head}>.query"
        owner = head.removesuffix("()")
        if owner in self.classes:
            return self._member(owner, last, depth) or self._inherited(owner, name)
        return name

    def _assigned(self, base: str, last: str, depth: int) -> str:
        """Return the name of what was assigned to the attribute or the item *last* of *base*."""
        owner = base.removesuffix("()")
        bases = [base]
        for one, other in _APP.items():
            if f"{base}.".startswith(f"{one}."):
                bases.append(f"{other}{base.removeprefix(one)}")
        if owner != base and owner in self.classes:
            bases += [f"{each}()" for each in self.bases(owner)]
        for each in bases:
            if given := self.attributes.get(f"{each}{last}"):
                named = self._known(((value, scope) for scope, value in given), depth)
                return named or f"{each}{last}"
        return ""

    def _member(self, owner: str, name: str, depth: int) -> str:
        """Return the full name of a method, or of what is assigned in the body of a class."""
        for each in [owner, *self.bases(owner)]:
            method = self.functions.get(f"{each}.{name}")
            if method is not None:
                return self._result(method.name, depth) if method.is_property else method.name
            cls = self.classes.get(each)
            if cls is not None and name in cls.names:
                return self._name_of_name(name, cls, depth + 1)
        return ""

    def _inherited(self, owner: str, name: str) -> str:
        """Return *name* as a name of a class outside that *owner* is derived from, if any."""
        bases = [base for base in self.bases(owner) if base not in self.classes]
        names = [f"{base}{name.removeprefix(owner)}" for base in bases]
        return next(filter(blocking, names), names[0] if names else name)

    def _is_model(self, name: str) -> bool:
        """Whether *name* is a class derived from Flask-SQLAlchemy's `Model`."""
        return any(base.endswith("SQLAlchemy().Model") for base in self.bases(name))

    def _super(self, scope: Function) -> str:
        bases = list(self.bases(scope.owner.name)) if scope.owner is not None else []
        known = [base for base in bases if base in self.classes]
        return f"{(known or bases)[0]}()" if bases else "super()"

    def _result(self, called: str, depth: int) -> str:
        """Return the full name of what *called* returns, by its `return` or its annotation."""
        function = self.functions.get(called)
        if function is not None and not function.is_async:
            # What a pytest fixture yields counts as its result.
            gives = (ast.Return, ast.Yield) if function.node.decorator_list else ast.Return
            values = [node.value for node in function.own_nodes if isinstance(node, gives)]
            values += [instance(function.node.returns)] if function.node.returns else []
            given = ((value, function) for value in values if value is not None)
            if found := self._known(given, depth):
                return found
        if found_by_query := _OF_A_QUERY.fullmatch(called):
            return f"{found_by_query[1]}()"
        return f"{called}()"

    # --- what functions are given ----------------------------------------------------------------

    @cached_property
    def _calls(self) -> Calls:
        return Calls([*self.modules.values(), *self.functions.values()])

    def _name_given(self, function: Function, name: str) -> str:
        """Return the name of what callers pass as the parameter *name* of *function*."""
        key = function, name
        if not self._is_read or name not in function.parameters:
            return ""
        if key in self._asked:
            self._is_circle = True
            return ""
        if key not in self._given:
            self._asked.append(key)
            found = self._first_given(function, name)
            self._asked.pop()
            # Within a circle, what is unknown now may be known to another question.
            if found or not self._is_circle or not self._asked:
                self._given[key] = found
            self._is_circle = self._is_circle and bool(self._asked)
            return found
        return self._given[key]

    def _first_given(self, function: Function, name: str) -> str:
        for scope, called, call in self._calls.of(self._names_to_call(function)):
            if self.called(self.name_of(called, scope)) is not function:
                continue
            value = argument(call, function, name)
            found = self.name_of(value, scope) if value is not None else ""
            # A function is one of several that it is given.
            if found and not found.startswith("?") and found not in self.functions:
                return found
        return ""

    def _names_to_call(self, function: Function) -> list[str]:
        names = [function.node.name]
        if function.owner is not None and function.node.name == "__init__":
            owners = [function.owner.name, *self.derived(function.owner.name)]
            names += [each.rpartition(".")[2] for each in owners]
        return names

    # --- classes ---------------------------------------------------------------------------------

    def bases(self, name: str) -> Sequence[str]:
        """Return the full names of the classes that *name* is derived from."""
        if name not in self.classes:
            return ()
        if name in self._bases:
            return self._bases[name]
        found = tuple(self._bases_of(name))
        if self._is_read and not self._asked:
            self._bases[name] = found
        return found

    def _bases_of(self, name: str) -> Iterator[str]:
        found = self.classes.get(name)
        if found is None or not isinstance(found.node, ast.ClassDef):
            return
        for base in found.node.bases:
            base_name = self.name_of(base, found.parent or found)
            if base_name and base_name != name:
                yield base_name
                yield from self._bases_of(base_name)

    def derived(self, name: str) -> list[str]:
        """Return the full names of the classes of the code base that are derived from *name*."""
        return self._derived.get(name, [])

    @cached_property
    def _derived(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.classes:
            for base in self.bases(name):
                found.setdefault(base, []).append(name)
        return found

    @cached_property
    def properties(self) -> frozenset[str]:
        """Return the names of all properties."""
        every = self.functions.values()
        return frozenset(each.node.name for each in every if each.is_property)

    def method(self, owner: str, name: str) -> Function | None:
        for candidate in [owner, *self.bases(owner)] if owner in self.classes else ():
            if found := self.functions.get(f"{candidate}.{name}"):
                return found
        return None

    def called(self, name: str) -> Function | None:
        """Return the function of the code base that runs when *name* is called."""
        if name in self.classes:
            return self.method(name, "__init__")
        if name.endswith("()") and name[:-2] in self.classes:
            return self.method(name[:-2], "__call__")
        return self.functions.get(name)


def _meant(name: str, where: Scope, values: list[ast.expr]) -> Iterator[tuple[ast.expr, Scope]]:
    """Yield what *name* may be, each with the scope that tells what it means."""
    for value in values:
        for each in alternatives(value):
            if isinstance(each, ast.Name) and each.id == name:
                continue
            # In a function, `x = x.y` refers to the outer `x`.
            outer = where.parent if mentions(each, name) else where
            if outer is not None:
                yield each, outer
