"""``--to quart``: make a code base leave the layer, and await what is async in the core."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from ..code import CodeBase
from ..entries import scopes
from ..findings import Finding
from ..scopes import Function, is_in_tests, Module, Scope
from .asynchronous import registered_as
from .callers import Callers
from .core_names import awaited, CLIENT_CALL, is_async_manager
from .decorators import verdict
from .dispatching import dispatching
from .fixtures import bind_fixtures, is_fixture
from .held_back import held_back
from .moved_imports import move_imports
from .names import Names
from .outcome import Rewritten, said
from .reach import Use, uses
from .refusals import Refusals
from .spots import Changes, Edits
from .views import hooks, View
from .walk import Place, walk

#: Hooks that the core calls without awaiting the result.
_PLAIN_HOOKS = {
    *("user_loader", "request_loader", "url_value_preprocessor", "app_url_value_preprocessor"),
}


class ToQuart:
    """Plans the edits of a code base; *chosen* are its views."""

    def __init__(self, code: CodeBase, chosen: Iterable[View]) -> None:
        bind_fixtures(code)
        self.code, self.changes = code, Changes()
        self.names = Names(code, self.changes)
        self.views = list(chosen)
        self.callers = Callers(code)
        self.asynced: dict[Function, None] = {}
        self.to_do: list[Function] = []
        self.outcomes: list[Rewritten] = []
        self.findings: list[Finding] = []

    def plan(self) -> Changes:
        self.findings += move_imports(self.code, self.changes)
        self.findings += held_back(self.code)
        entered = {view.function for view in self.views}
        refusals = Refusals(self.code, self.callers, entered)
        refused = {}
        for view in self.views:
            if why := refusals.by_class(view):
                refused[view] = why
            else:
                self._make_async(view.function)
        for entry, _ in hooks(self.code):
            if not registered_as(entry.function) & _PLAIN_HOOKS:
                self._make_async(entry.function)
        for scope in scopes(self.code):
            self._await_core(scope)
        while self.to_do:
            self._follow(self.to_do.pop())
        self._move_blocking()
        self._report(refused)
        return self.changes

    # --- What the core awaits
    # ------------------------------------------------------------------------

    def _await_core(self, scope: Function | Module) -> None:
        places = list(walk(scope))
        done = {id(place.node.value) for place in places if isinstance(place.node, ast.Await)}
        module = scope.module
        for place in places:
            node = place.node
            if isinstance(node, ast.With):
                self._with(scope, place, node)
            elif isinstance(node, ast.Call):
                name = self.code.name_of(node.func, scope)
                if name == "quart_flask_patch.wait" and node.args:
                    self.changes.of(module).unwrapped.add(self.changes.spot(module, node))
                    self._await(scope, place, None)
                elif id(node) not in done and awaited(name) == "call":
                    self._await(scope, place, node)
                self._as_form(scope, node, name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                name = self.code.name_of(node, scope)
                if id(node) not in done and awaited(name) == "name":
                    self._await(scope, place, node)

    def _with(self, scope: Function | Module, place: Place, node: ast.With) -> None:
        if any(
            is_async_manager(self.code.name_of(item.context_expr, scope)) for item in node.items
        ):
            edits = self.changes.of(scope.module)
            if self._await(scope, place, None):
                edits.asynced.add(self.changes.start(scope.module, node))

    def _as_form(self, scope: Function | Module, node: ast.Call, name: str) -> None:
        """Rename a form's fields, `data` in Flask's test client, to `form`, as in the core's."""
        if CLIENT_CALL.fullmatch(name):
            given = next((word.value for word in node.keywords if word.arg == "data"), None)
            if isinstance(given, ast.Name) and (found := scope.bound(given.id)):
                given = found[1] if isinstance(found[1], ast.expr) else given
            is_dict = isinstance(given, ast.Call) and ast.unparse(given.func) == "dict"
            if isinstance(given, ast.Dict) or is_dict:
                spot = self.changes.spot(scope.module, node)
                self.changes.of(scope.module).keywords[spot] = {"data": "form"}
            elif given is not None and not self._is_body(given, scope):
                what = "data=... may be the fields of a form, or bytes"
                place = f"{scope.module.shown}:{node.lineno}"
                self.findings.append(
                    said("warning", "form-or-bytes", place, what, "write form=... for fields")
                )

    def _is_body(self, given: ast.expr, scope: Scope) -> bool:
        """Whether *given* is text or bytes, as far as reading can tell."""
        if isinstance(given, ast.Constant | ast.JoinedStr):
            return True
        name = self.code.name_of(given, scope)
        return name.endswith((".dumps()", ".encode()", ".urlencode()", ".format()"))

    def _await(self, scope: Function | Module, place: Place, node: ast.expr | None) -> bool:
        """Await *node* in *scope*, which becomes async; leave a comment if that is impossible."""
        why = place.obstacle
        if isinstance(scope, Module):
            why = why or "the module itself"
        elif scope.node.name.startswith("__") or scope.is_property:
            why = why or f"{scope.node.name}, which cannot be async"
        if why:
            line = getattr(place.node, "lineno", 1)
            shown = ast.unparse(place.node).partition("\n")[0]
            self.findings.append(
                said(
                    "warning",
                    "no-await-here",
                    f"{scope.module.shown}:{line}",
                    f"{shown} is to be awaited, in {why}",
                    "move it to a function",
                )
            )
            return False
        assert isinstance(scope, Function)
        if node is not None:
            self.changes.of(scope.module).awaited.add(self.changes.spot(scope.module, node))
        self._make_async(scope)
        return True

    # --- What follows from that
    # ----------------------------------------------------------------------

    def _make_async(self, function: Function) -> None:
        if function in self.asynced:
            return
        self.asynced[function] = None
        self.to_do.append(function)
        if not function.is_async:
            edits = self.changes.of(function.module)
            edits.asynced.add(self.changes.start(function.module, function.node))

    def _follow(self, function: Function) -> None:
        """Make callers, decorators and fakes of *function* await or be awaited."""
        if _is_command(function):
            self._give_loop(function)
        elif not is_fixture(function):
            for caller in self.callers.of(function):
                if not caller.is_awaited and caller.scope is not function:
                    self._await(caller.scope, caller.place, caller.call)
        for dispatcher, place in dispatching(self.code, function):
            assert isinstance(place.node, ast.Call)
            self._await(dispatcher, place, place.node)
        around = function.parent or function
        for node in function.node.decorator_list:
            found = verdict(self.code, node, around, every=True)
            for wrapper, call in found.calls if not found.is_outside else ():
                place = next(each for each in walk(wrapper) if each.node is call)
                self._await(wrapper, place, call)
        for fake in self._fakes.get(function.name, ()):
            self._make_async(fake)

    def _give_loop(self, function: Function) -> None:
        """Give a loop to a click command, which has none unless it belongs to `app.cli`."""
        if "with_appcontext" not in function.decorators and function.name not in self._of_app_cli:
            name = self.names.name(function.module, "quart.cli", "with_appcontext")
            start = self.changes.start(function.module, function.node)
            self.changes.of(function.module).innermost[start] = name

    @cached_property
    def _of_app_cli(self) -> set[str]:
        return {
            function.name
            for function in self.code.functions.values()
            for node in function.node.decorator_list
            if ".cli.command" in ast.unparse(node)
        }

    @cached_property
    def _fakes(self) -> dict[str, list[Function]]:
        """The fakes of tests, as in `monkeypatch.setattr("module.function", fake)`, by target."""
        found: dict[str, list[Function]] = {}
        for scope, node in self._replacing():
            match node.args:
                case [ast.Constant(value=str(target)), fake, *_]:
                    full = target
                case [owner, ast.Constant(value=str(name)), fake, *_]:
                    full = f"{self.code.name_of(owner, scope)}.{name}"
                case _:
                    continue
            made = self.code.functions.get(self.code.name_of(fake, scope))
            if made is not None:
                found.setdefault(self.code.expanded(full), []).append(made)
        return found

    def _replacing(self) -> Iterator[tuple[Function, ast.Call]]:
        for function in self.code.functions.values():
            for node in function.own_nodes if is_in_tests(function.module) else ():
                match node:
                    case ast.Call(func=ast.Attribute(attr="setattr")):
                        yield function, node

    # --- What blocks, and the report
    # -----------------------------------------------------------------

    def _move_blocking(self) -> None:
        held: dict[Function, list[Use]] = {}
        for function in self.code.functions.values():
            is_async = function.is_async or function in self.asynced
            if not is_async or is_in_tests(function.module):
                continue
            module = function.module
            for use in uses(self.code, function, self.asynced):
                if use.can_move:
                    edits, spot = self.changes.of(module), self.changes.spot(module, use.call)
                    edits.awaited.add(spot)
                    edits.through[spot] = self.names.name(module, "quart.utils", "run_sync")
                else:
                    held.setdefault(function, []).append(use)
        for function, found in held.items():
            lines = ", ".join(dict.fromkeys(str(use.call.lineno) for use in found))
            what = f"{function.node.name} waits for {found[0].kind} on the event loop, in {lines}"
            way = "an async library, or a function of its own for run_sync"
            self.findings.append(said("warning", "holds-the-loop", function.place, what, way))

    def _report(self, refused: dict[View, tuple[str, str]]) -> None:
        for view in self.views:
            function = view.function
            if why := refused.get(view):
                what = f"{view.name} stays as it is: {why[0]}"
                self.findings.append(said("warning", "view-left", function.place, what, why[1]))
                self.outcomes.append(Rewritten(function.place, view.name, "left", why=(why[0],)))
            else:
                done: Edits = self.changes.of(function.module)
                outcome = "rewritten" if done else "unchanged"
                self.outcomes.append(
                    Rewritten(function.place, view.name, outcome, "loop")  # type: ignore[arg-type]
                )


def _is_command(function: Function) -> bool:
    return not function.decorators.isdisjoint({"command", "group"})
