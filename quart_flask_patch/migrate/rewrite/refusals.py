"""Tell why a view must stay plain: a caller would not await it, or uses its result."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cached_property

from ..code import CodeBase
from ..scopes import Function, FunctionDef, last_name, without_call
from .callers import Callers
from .decorators import Verdict, verdict
from .dispatching import dispatching
from .views import OF_FLASK, View
from .walk import is_generator

#: Decorators that only mark what they are given, or say how a method is called.
_KNOWN = {"runs_in", "awaited", "staticmethod", "classmethod", "override"}


class Refusals:
    def __init__(self, code: CodeBase, callers: Callers, entered: Collection[Function]) -> None:
        self.code, self.callers = code, callers
        #: Functions that the framework calls within a request.
        self.entered = entered
        self._verdicts: dict[Function, list[Verdict]] = {}

    def why(self, view: View) -> tuple[str, str] | None:
        """Return why *view* must stay plain, and the way out; None if it may become async."""
        if not view.function.is_async and is_generator(view.function):
            return "it is a generator itself", "let it return a generator"
        return None

    def plain_caller(self, view: View) -> str:
        """Return what calls *view* and would not await it; empty if nothing does."""
        if view.function.is_async:
            return ""
        if (why := self.by_class(view)) is not None:
            return why[0]
        if called := dispatching(self.code, view.function):
            return f"{called[0][0].name} calls it"
        if (name := self._using_decorator(view)) is not None:
            return f"the decorator {name} uses what it returns"
        if (name := self._unknown_decorator(view)) is not None:
            return f"nothing tells what the decorator {name} does with it"
        callers = self.callers.of(view.function)
        if not self._is_decorated(view):
            callers = [each for each in callers if each.is_fixed]
        return f"{callers[0].shown} calls it" if callers else ""

    def _is_decorated(self, view: View) -> bool:
        """Whether a caller calls a decorator's wrapper, which may give a result or a coroutine.

        Flask-Login's waits for an async view, and one that lets nobody in returns at once.
        """
        own = [node for node in view.decorators if node in view.function.node.decorator_list]
        return any(last_name(node) not in _KNOWN for node in own)

    def by_class(self, view: View) -> tuple[str, str] | None:
        owner = view.of_class
        if owner is None:
            if view.is_registered or view.endpoints:
                return None
            return "an extension calls it, and does not await it", "leave it plain"
        bases = list(self.code.bases(owner.name))
        if any(base.startswith(OF_FLASK) for base in bases):
            return None
        return (
            f"{next(iter(bases), owner.name)} calls it, and does not await it",
            "leave it plain, or derive from flask.views.MethodView",
        )

    def _using_decorator(self, view: View) -> str | None:
        """Return the name of a decorator that uses what *view* returns and is not to be changed."""
        for each in self.verdicts(view):
            decorator = each.decorator if each.calls else None
            if decorator is not None and (each.is_outside or self._is_shared(decorator)):
                return decorator.node.name
        return None

    def _unknown_decorator(self, view: View) -> str | None:
        """Return the name of a decorator that was not found, or that makes an object.

        It may be a context manager, which would end before a coroutine begins.
        """
        for node, found in zip(view.decorators, self.verdicts(view), strict=True):
            is_known = found.decorator is not None and _decorates(found.decorator)
            of_class = node not in view.function.node.decorator_list
            if not (is_known or of_class or last_name(node) in _KNOWN):
                return ast.unparse(without_call(node))
        return None

    def verdicts(self, view: View) -> list[Verdict]:
        function = view.function
        if function not in self._verdicts:
            around = function.parent or function
            found = [verdict(self.code, node, around) for node in view.decorators]
            self._verdicts[function] = found
        return self._verdicts[function]

    def _is_shared(self, decorator: Function) -> bool:
        """Whether *decorator* is also used on functions that run outside of requests."""
        return decorator in self._decorators_elsewhere

    @cached_property
    def _decorators_elsewhere(self) -> set[Function | None]:
        """The decorators of functions that the framework does not call within a request."""
        return {
            self._named(node, function)
            for function in self.code.functions.values()
            if function not in self.entered
            for node in function.node.decorator_list
        }

    def _named(self, node: ast.expr, function: Function) -> Function | None:
        named = without_call(node)
        return self.code.functions.get(self.code.name_of(named, function.parent or function))


def _decorates(decorator: Function) -> bool:
    """Whether *decorator* makes a function, or gives back the one that it was given."""
    arguments = decorator.node.args.args
    given = arguments[0].arg if arguments else ""
    inner = [node for node in ast.walk(decorator.node) if node is not decorator.node]
    return any(
        isinstance(node, FunctionDef | ast.Lambda)
        or (isinstance(node, ast.Return) and ast.unparse(node).split() == ["return", given])
        for node in inner
    )
