"""Find what a view causes to be called without a call: decorators, callbacks, templates, forms."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from ..code import CodeBase
from ..entries import Entry
from ..reaching import all_called, reached, Site
from ..scopes import Function, Scope, without_call
from .templates import of_templates, renders_template
from .views import variable_of, View

#: Flask-Login's callbacks.
_LOADERS = {"user_loader", "request_loader"}
#: Decorators that ask for nobody.
_MARKS = {"runs_in", "awaited", "staticmethod", "classmethod"}


class Implied:
    """Finds what a view causes to be called without a call: decorators, callbacks, forms."""

    def __init__(self, code: CodeBase) -> None:
        self.code = code
        #: Functions by the variable that they are registered on, such as an `HTTPAuth`.
        self.callbacks: dict[str, list[Function]] = {}
        self.of_templates = of_templates(code)
        for function in code.functions.values():
            around = function.parent or function
            for node in function.node.decorator_list:
                if variable := self._object(node, around):
                    self.callbacks.setdefault(variable, []).append(function)

    def _object(self, node: ast.expr, scope: Scope) -> str:
        named = without_call(node)
        if not isinstance(named, ast.Attribute):
            return ""
        return variable_of(self.code, named.value, scope)

    def sites(self, function: Function, decorators: Iterable[ast.expr]) -> Iterator[Site]:
        for called in self._called(function, decorators):
            yield from reached(self.code, called)
        if self.of_templates and renders_template(self.code, function):
            for called in self.of_templates:
                yield from reached(self.code, called)

    def runs(self, entry: Entry, view: View) -> bool:
        """Whether the hook *entry* runs for *view*: Flask-Login loads a user when one is asked for.

        Templates are given the user as well.
        """
        if entry.function.decorators.isdisjoint(_LOADERS):
            return True
        function = view.function
        around = function.parent or function
        for node in view.decorators:
            name = self.code.name_of(without_call(node), around)
            if name not in self.code.functions and name.rpartition(".")[2] not in _MARKS:
                return True
        called = [function, *self._called(function, view.decorators)]
        return renders_template(self.code, *called) or self._asks(called)

    def _asks(self, starts: Iterable[Function]) -> bool:
        every = {each for start in starts for each in all_called(self.code, start)}
        return any(
            isinstance(node, ast.Name | ast.Attribute)
            and self.code.name_of(node, each).startswith(("flask_login.", "flask_security."))
            for each in every
            for node in each.own_nodes
        )

    def _called(self, function: Function, decorators: Iterable[ast.expr]) -> Iterator[Function]:
        around = function.parent or function
        for node in decorators:
            named = without_call(node)
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
    named = without_call(node)
    attribute = named.attr if isinstance(named, ast.Attribute) else ""
    return callback is function or any(
        getattr(without_call(each), "attr", "") == attribute
        for each in callback.node.decorator_list
    )
