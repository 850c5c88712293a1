"""``--to async``: make views `async def` on the layer, so that nothing in them blocks the loop."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..blocking import ANOTHER_LOOP
from ..code import CodeBase
from ..entries import Entry, VIEW_CLASSES
from ..findings import Finding
from ..reaching import all_called, reached, Site
from ..registering import registrations
from ..scopes import Function, Scope, without_call
from ..source import locals_in
from .callers import Callers
from .implied import Implied
from .names import Names
from .native import prefer_native
from .outcome import Done, Rewritten, said
from .reach import async_callees, is_held, Use, uses
from .refusals import Refusals
from .spots import Changes
from .views import class_decorators, hooks, place_of, View
from .walk import is_generator

#: Hooks that may be async functions.
_ASYNC_HOOKS = {
    *("before_request", "after_request", "before_app_request", "after_app_request"),
    *("errorhandler", "app_errorhandler", "teardown_request", "teardown_app_request"),
}


@dataclass(eq=False)
class Target:
    """A function that is async or becomes async, and the reason if it gets a loop of its own."""

    function: Function
    view: View | None = None
    uses: list[Use] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    place: str = ""
    #: What calls it and would not await it: it gets `awaited`, which waits.
    plain_caller: str = ""

    @property
    def of_class(self) -> Scope | None:
        """Return the class whose methods have one place, if it is one of them."""
        return self.view.of_class if self.view is not None else self.function.owner

    @property
    def is_apart(self) -> bool:
        return bool(self.reasons) or self.place == "own-loop"


class ToAsync:
    """Plans the edits of a code base; *chosen* are the views to rewrite."""

    def __init__(self, code: CodeBase, chosen: Iterable[View], native: bool = False) -> None:
        self.code, self.changes, self.native = code, Changes(), native
        self.names = Names(code, self.changes)
        self.views = list(chosen)
        self.outcomes: list[Rewritten] = []
        self.findings: list[Finding] = []
        self.hooks = hooks(code)
        self.implied, self.callers = Implied(code), Callers(code)
        entered = {view.function for view in self.views} | {e.function for e, _ in self.hooks}
        self.refusals = Refusals(code, self.callers, entered)
        self.targets: dict[Function, Target] = {}
        self.refused: dict[View, tuple[str, str]] = {}

    def plan(self) -> Changes:
        for view in self.views:
            if why := self.refusals.why(view):
                self.refused[view] = why
            else:
                caller = self.refusals.plain_caller(view)
                self.targets[view.function] = Target(
                    view.function, view, place=place_of(view), plain_caller=caller
                )
        self._add_functions()
        while self._refuse_conflicts():
            pass  # A function that stays plain may block its callers, so look again.
        self._leave_places()
        for target in self.targets.values():
            self._edit(target)
        self._mend_callers()
        self._mend_decorators()
        self._report()
        return self.changes

    def _add_functions(self) -> None:
        """Add hooks that can await, and async functions that are called."""
        for entry, owner in self.hooks:
            if entry.function.is_async or self._can_be_async(entry, owner):
                self.targets.setdefault(entry.function, Target(entry.function))
        for function in async_callees(self.code, self.targets):
            self.targets.setdefault(function, Target(function))

    def _can_be_async(self, entry: Entry, owner: str) -> bool:
        function = entry.function
        found = uses(self.code, function)
        return (
            bool(found)
            and all(use.can_move for use in found)
            and registered_as(function) <= _ASYNC_HOOKS
            and bool(registered_as(function))
            and len(function.node.decorator_list) == len(registered_as(function))
            and not is_generator(function)
            and not self.callers.of(function)
            and any(applies(entry, owner, view) for view in self.views)
        )

    # --- Loops of their own
    # --------------------------------------------------------------------------

    def _refuse_conflicts(self) -> bool:
        """Look at what blocks in all targets; give up those that nothing can help, if any."""
        for target in self.targets.values():
            target.uses, target.reasons = uses(self.code, target.function, self.targets), []
            self._find_reasons(target)
        self._share_reasons()
        while self._share_with_callers():
            self._share_reasons()
        found = False
        for target in [*self.targets.values()]:
            if target.view is not None and (why := self._conflict(target)):
                self.refused[target.view] = why
                del self.targets[target.function]
                found = True
        return found

    def _find_reasons(self, target: Target) -> None:
        view, function = target.view, target.function
        if view is None or target.place == "own-loop":
            return
        for use in target.uses:
            if not use.can_move:
                target.reasons.append(f"{use.kind} ({function.module.shown}:{use.call.lineno})")
            elif is_held(self.code, function, use):
                place = f"{function.module.shown}:{use.call.lineno}"
                target.reasons.append(f"what is held around {place}")
        sites = list(self.implied.sites(function, view.decorators))
        for callee in async_callees(self.code, [function]):
            sites += [s for s in reached(self.code, callee) if s.family.unit != "call"]
        for entry, owner in self.hooks:
            is_run = applies(entry, owner, view) and self.implied.runs(entry, view)
            if is_run and entry.function not in self.targets:
                sites += reached(self.code, entry.function)
        target.reasons += _shown(sites)
        for called in all_called(self.code, function):
            if any(locals_in(self.code, called)):
                target.reasons.append(f"a thread-local ({called.module.shown})")
        target.reasons = list(dict.fromkeys(target.reasons))

    def _share_reasons(self) -> None:
        """Give all methods of a class the same reasons, as they are one view with one place."""
        shared: dict[Scope, list[str]] = {}
        for target in self.targets.values():
            if (owner := target.of_class) is not None:
                shared.setdefault(owner, []).extend(target.reasons)
        for target in self.targets.values():
            if target.view is not None and (owner := target.of_class) is not None:
                target.reasons = list(dict.fromkeys(shared[owner]))

    def _share_with_callers(self) -> bool:
        """Give what awaits a view with a loop of its own such a loop too, as it runs there."""
        found = False
        for target in [each for each in self.targets.values() if each.is_apart]:
            reasons = target.reasons or [f"{target.function.node.name} ({target.function.place})"]
            for caller in self.callers.of(target.function):
                scope = caller.scope
                awaits = self.targets.get(scope) if isinstance(scope, Function) else None
                if awaits is not None and awaits.view is not None and not awaits.is_apart:
                    awaits.reasons += reasons
                    found = True
        return found

    def _leave_places(self) -> None:
        """Leave async views on the server's loop, as they may share objects of it."""
        shared = [target for target in self.targets.values() if not target.function.is_async]
        classes = {target.of_class for target in shared} - {None}
        for target in self.targets.values():
            function = target.function
            if not (function.is_async and target.reasons) or target.of_class in classes:
                continue
            what = f"{function.node.name} is async, and waits for {', '.join(target.reasons[:3])}"
            way = 'runs_in("own-loop"), if it shares nothing of the server\'s loop'
            self.findings.append(said("warning", "holds-the-loop", function.place, what, way))
            target.reasons = []

    def _conflict(self, target: Target) -> tuple[str, str] | None:
        """Return why the view of *target* cannot have a loop of its own, or None."""
        loops = any(use.runs_loop and not use.can_move for use in target.uses)
        if loops or any(reason.startswith(ANOTHER_LOOP) for reason in target.reasons):
            return "it runs an event loop of its own", "await what that loop runs"
        if not target.reasons:
            return None
        waits = f"it waits for {target.reasons[0]}"
        if target.place:
            return f"{waits}, and is to run in {target.place!r}", 'runs_in("own-loop") in its place'
        owner = target.of_class
        if owner is not None and class_decorators(owner) is None:
            return f"{waits}, and its class inherits decorators", "decorate it by hand"
        view = target.view
        if view is not None and (why := self.refusals.by_class(view)):
            bases = self.code.bases(owner.name) if owner is not None else ()
            if not any(base.startswith(VIEW_CLASSES) for base in bases):
                # Only what Flask itself calls is asked where it runs.
                return f"{waits}, and {why[0]}", why[1]
        return None

    # --- The edits
    # -----------------------------------------------------------------------------------

    def _edit(self, target: Target) -> None:
        function, module = target.function, target.function.module
        edits = self.changes.of(module)
        start = self.changes.start(module, function.node)
        if not function.is_async:
            edits.asynced.add(start)
            if target.plain_caller:
                name = self.names.name(module, "quart_flask_patch", "awaited")
                edits.innermost[start] = name
        if target.reasons:
            name = self.names.name(module, "quart_flask_patch", "runs_in")
            owner = target.of_class
            where = owner.node if owner is not None else function.node
            assert isinstance(where, ast.stmt)
            edits.decorated[self.changes.start(module, where)] = f'{name}("own-loop")'
            edits.registering.update(
                self.changes.spot(module, node)
                for node in function.node.decorator_list
                if registrations(self.code, node, function.parent or function)
            )
        for use in target.uses:
            stays = use.is_helper and target.is_apart and not use.runs_loop
            if use.can_move and not stays:
                self._await(function, use)
            elif use.place.obstacle and use.unit == "call":
                self._comment(function, use)

    def _await(self, function: Function, use: Use) -> None:
        module = function.module
        edits = self.changes.of(module)
        spot = self.changes.spot(module, use.call)
        if use.runs_loop and not use.is_helper:
            edits.unwrapped.add(spot)
            return
        edits.awaited.add(spot)
        if use.name == "time.sleep" and self.names.is_free(module, "asyncio"):
            name = self.names.name(module, "asyncio", "")
            edits.renamed[self.changes.spot(module, use.call.func)] = f"{name}.sleep"
        elif not (
            self.native and prefer_native(self.code, self.names, self.changes, function, use)
        ):
            edits.through[spot] = self.names.name(module, "quart.utils", "run_sync")

    def _comment(self, function: Function, use: Use) -> None:
        module = function.module
        shown = ast.unparse(use.call.func)
        line = f"# migrate: {shown}(...) waits in {use.place.obstacle}, where no await can stand."
        start = self.changes.start(module, use.place.statement)
        self.changes.of(module).comments.setdefault(start, []).append(line)
        self.findings.append(
            said(
                "warning",
                "no-await-here",
                f"{module.shown}:{use.call.lineno}",
                f"{function.node.name}: {shown}(...) waits in {use.place.obstacle}, where no await"
                " can stand",
                "write a loop in its place",
            )
        )

    def _mend_callers(self) -> None:
        """Change calls of a view or a hook so that they still get its result."""
        for target in [*self.targets.values()]:
            if target.function.is_async or target.plain_caller:
                continue
            for caller in self.callers.of(target.function):
                module = caller.scope.module
                edits, spot = self.changes.of(module), self.changes.spot(module, caller.call)
                scope = caller.scope
                is_async = isinstance(scope, Function) and (scope in self.targets or scope.is_async)
                if is_async and not caller.place.obstacle:
                    edits.awaited.add(spot)
                else:
                    name = self.names.name(module, "flask", "current_app")
                    edits.through[spot] = f"{name}.ensure_sync"

    def _mend_decorators(self) -> None:
        """Make decorators wait for a view's result if they use it."""
        for target in self.targets.values():
            if target.view is None or target.plain_caller or is_plainly_called(target.view):
                continue
            for found in self.refusals.verdicts(target.view):
                for function, call in found.calls if not found.is_outside else ():
                    module = function.module
                    name = self.names.name(module, "flask", "current_app")
                    spot = self.changes.spot(module, call)
                    self.changes.of(module).through[spot] = f"{name}.ensure_sync"

    # --- The report
    # ----------------------------------------------------------------------------------

    def _report(self) -> None:
        for view in self.views:
            function = view.function
            if why := self.refused.get(view):
                what = f"{view.name} stays as it is: {why[0]}"
                self.findings.append(said("warning", "view-left", function.place, what, why[1]))
                self.outcomes.append(Rewritten(function.place, view.name, "left", why=(why[0],)))
                continue
            target = self.targets[function]
            done: Done = "unchanged" if function.is_async and not target.reasons else "rewritten"
            place = "own-loop" if target.is_apart else target.place or "loop"
            self.outcomes.append(
                Rewritten(function.place, view.name, done, place, tuple(target.reasons))
            )


def _shown(sites: Sequence[Site]) -> list[str]:
    return [f"{site.family.kind} ({site.place})" for site in sites]


def registered_as(function: Function) -> set[str]:
    """Return the attributes by which *function* is registered, such as `before_request`."""
    named = [without_call(node) for node in function.node.decorator_list]
    return {node.attr for node in named if isinstance(node, ast.Attribute)}


def is_plainly_called(view: View) -> bool:
    """Whether `awaited` is among its decorators already."""
    return any(ast.unparse(node).rpartition(".")[2] == "awaited" for node in view.decorators)


def applies(entry: Entry, owner: str, view: View) -> bool:
    """Whether the hook *entry*, registered on the variable *owner*, runs for *view*."""
    app_wide = not entry.owner.endswith("Blueprint()") or any(
        "_app_" in name or name.startswith("app_") for name in registered_as(entry.function)
    )
    return app_wide or owner == view.owner
