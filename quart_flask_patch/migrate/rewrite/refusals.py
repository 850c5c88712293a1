"""Tell why a view must stay plain: a caller would not await it, or uses its result."""

from __future__ import annotations

import ast
from collections.abc import Collection

from ..code import CodeBase, Function
from .callers import Callers
from .decorators import Verdict, verdict
from .views import OF_FLASK, View
from .walk import is_generator


class Refusals:
    def __init__(self, code: CodeBase, callers: Callers, entered: Collection[Function]) -> None:
        self.code, self.callers = code, callers
        #: Functions that the framework calls within a request.
        self.entered = entered
        self._verdicts: dict[Function, list[Verdict]] = {}

    def why(self, view: View) -> tuple[str, str] | None:
        """Return why *view* must stay plain, and the way out; None if it may become async."""
        function = view.function
        if function.is_async:
            return None
        if is_generator(function):
            return "it is a generator itself", "let it return a generator"
        if (why := self.by_class(view)) or (why := self._by_decorators(view)):
            return why
        fixed = [caller for caller in self.callers.of(function) if caller.is_fixed]
        if fixed:
            return f"{fixed[0].shown} calls it", "move what both need to a function of its own"
        return None

    def by_class(self, view: View) -> tuple[str, str] | None:
        owner = view.function.owner
        if owner is None:
            if view.owner or view.endpoints:
                return None
            return "an extension calls it, and does not await it", "leave it plain"
        bases = list(self.code.bases(owner.name))
        if any(base.startswith(OF_FLASK) for base in bases):
            return None
        return (
            f"{next(iter(bases), owner.name)} calls it, and does not await it",
            "leave it plain, or derive from flask.views.MethodView",
        )

    def _by_decorators(self, view: View) -> tuple[str, str] | None:
        for each in self.verdicts(view):
            if not each.calls or each.decorator is None:
                continue
            if each.is_outside or self._is_shared(each.decorator):
                return (
                    f"the decorator {each.decorator.node.name} uses what it returns",
                    "let the decorator call current_app.ensure_sync(view)(...)",
                )
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
        return any(
            self._named(node, function) is decorator
            for function in self.code.functions.values()
            if function not in self.entered
            for node in function.node.decorator_list
        )

    def _named(self, node: ast.expr, function: Function) -> Function | None:
        named = node.func if isinstance(node, ast.Call) else node
        return self.code.functions.get(self.code.name_of(named, function.parent or function))
