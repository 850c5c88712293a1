"""Plans are made once and made anew when something that they are made of changes."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from quart import Quart
from quart._handling.hooks import HOOK_TABLES, HookList, HookTable
from quart._kind import REQUEST, WEBSOCKET


class Changes:
    count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def changes() -> Changes:
    return Changes()


def one() -> None: ...
def two() -> None: ...


@pytest.fixture
def hooks(changes: Changes) -> HookList:
    return HookList([one], changes)


@pytest.fixture
def table(changes: Changes) -> HookTable:
    table = HookTable(defaultdict(list, {None: [one]}), changes)
    changes.count = 0
    return table


LIST_CHANGES: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "append": (lambda hooks: hooks.append(two), [one, two]),
    "extend": (lambda hooks: hooks.extend([two]), [one, two]),
    "insert": (lambda hooks: hooks.insert(0, two), [two, one]),
    "remove": (lambda hooks: hooks.remove(one), []),
    "pop": (lambda hooks: hooks.pop(), []),
    "clear": (lambda hooks: hooks.clear(), []),
    "sort": (lambda hooks: hooks.sort(key=id), [one]),
    "reverse": (lambda hooks: hooks.reverse(), [one]),
    "set item": (lambda hooks: hooks.__setitem__(0, two), [two]),
    "set slice": (lambda hooks: hooks.__setitem__(slice(0, 0), [two]), [two, one]),
    "del item": (lambda hooks: hooks.__delitem__(0), []),
    "+=": (lambda hooks: hooks.__iadd__([two]), [one, two]),
    "*=": (lambda hooks: hooks.__imul__(2), [one, one]),
}


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_a_list_says_when_it_changes(hooks: HookList, changes: Changes, change: str) -> None:
    mutate, expected = LIST_CHANGES[change]

    mutate(hooks)

    assert list(hooks) == expected
    assert changes.count == 1


def test_every_mutator_of_a_list_is_observed() -> None:
    mutators = {name for name in dir(list) if name not in dir(tuple)} - {"copy", "__reversed__"}
    assert mutators <= set(vars(HookList))


def test_a_list_that_is_only_read_does_not_change(hooks: HookList, changes: Changes) -> None:
    assert one in hooks
    assert [*hooks, *reversed(hooks)] == [one, one]
    assert hooks + [two] == [one, two]  # noqa: RUF005
    assert hooks.copy() == hooks == [one]
    assert changes.count == 0


def test_a_mutation_that_fails_says_so(hooks: HookList) -> None:
    with pytest.raises(ValueError, match="not in list"):
        hooks.remove(two)


TABLE_CHANGES: dict[str, tuple[Callable[[Any], Any], dict[Any, Any]]] = {
    "set": (lambda table: table.__setitem__("bp", [two]), {None: [one], "bp": [two]}),
    "replace": (lambda table: table.__setitem__(None, [two]), {None: [two]}),
    "update": (lambda table: table.update({"bp": [two]}), {None: [one], "bp": [two]}),
    "update by name": (lambda table: table.update(bp=[two]), {None: [one], "bp": [two]}),
    "|=": (lambda table: table.__ior__({"bp": [two]}), {None: [one], "bp": [two]}),
    "setdefault": (lambda table: table.setdefault("bp", [two]), {None: [one], "bp": [two]}),
    "missing": (lambda table: table["bp"], {None: [one], "bp": []}),
    "missing append": (lambda table: table["bp"].append(two), {None: [one], "bp": [two]}),
    "append": (lambda table: table[None].append(two), {None: [one, two]}),
    "setdefault append": (lambda t: t.setdefault("bp", []).append(two), {None: [one], "bp": [two]}),
    "append after update": (
        lambda table: (table.update({"bp": []}), table["bp"].append(two)),
        {None: [one], "bp": [two]},
    ),
    "pop": (lambda table: table.pop(None), {}),
    "popitem": (lambda table: table.popitem(), {}),
    "del": (lambda table: table.__delitem__(None), {}),
    "clear": (lambda table: table.clear(), {}),
}


@pytest.mark.parametrize("change", TABLE_CHANGES)
def test_a_table_says_when_it_or_a_list_in_it_changes(
    table: HookTable, changes: Changes, change: str
) -> None:
    mutate, expected = TABLE_CHANGES[change]

    mutate(table)

    assert table == expected
    assert changes.count >= 1


def test_a_table_that_is_only_read_does_not_change(table: HookTable, changes: Changes) -> None:
    assert table[None] == [one]
    assert table.get("bp", ()) == ()
    assert "bp" not in table
    assert table.setdefault(None, [two]) == [one]
    assert table.pop("bp", None) is None
    assert (table | {"bp": []}) == {None: [one], "bp": []}
    assert table == {None: [one]}


def test_a_table_makes_lists_only_if_what_it_replaces_did(changes: Changes) -> None:
    table = HookTable({}, changes)

    with pytest.raises(KeyError):
        table["bp"]


def test_a_table_of_functions_keeps_them_as_they_are(changes: Changes) -> None:
    table = HookTable({"view": one}, changes)
    table["other"] = two

    assert table == {"view": one, "other": two}


# --- Of an application


@pytest.mark.parametrize("name", sorted(HOOK_TABLES))
def test_each_public_dict_is_observed(name: str) -> None:
    app = Quart(__name__)
    assert isinstance(getattr(app, name), HookTable)

    setattr(app, name, {})

    assert isinstance(getattr(app, name), HookTable)


def test_a_plan_is_made_once() -> None:
    app = Quart(__name__)
    app.add_url_rule("/", view_func=one, endpoint="view")

    plan = app._plans.get(app, REQUEST, "view")

    assert app._plans.get(app, REQUEST, "view") is plan
    assert app._plans.get(app, WEBSOCKET, "view") is not plan
    app.before_request_funcs[None] = [one]
    assert app._plans.get(app, REQUEST, "view") is not plan


def test_a_plan_has_the_hooks_in_their_order() -> None:
    app = Quart(__name__)

    async def hook(*args: Any) -> None: ...
    async def other(*args: Any) -> None: ...
    async def view() -> None: ...

    app.view_functions["outer.inner.view"] = view
    app.before_request_funcs.update({None: [hook], "outer.inner": [other, hook], "outer": [other]})
    app.after_request_funcs.update({None: [hook, other], "outer": [other]})

    plan = app._plans.get(app, REQUEST, "outer.inner.view")

    assert plan.blueprints == ["outer.inner", "outer"]
    assert plan.view is view
    assert plan.before == (hook, other, other, hook)
    assert plan.after == (other, other, hook)
    assert plan.teardown == plan.preprocessors == ()


def test_an_endpoint_without_blueprint_or_view_has_a_plan() -> None:
    app = Quart(__name__)

    plan = app._plans.get(app, REQUEST, None)

    assert (plan.view, plan.blueprints) == (None, [])


def test_replacing_the_session_interface_makes_plans_anew() -> None:
    app = Quart(__name__)
    plan = app._plans.get(app, REQUEST, None)

    app.session_interface = type(app.session_interface)()

    assert app._plans.get(app, REQUEST, None) is not plan


def test_an_application_that_nobody_uses_is_freed_at_once() -> None:
    app = Quart(__name__)
    app._plans.get(app, REQUEST, None)
    gone = weakref.ref(app)
    del app

    assert gone() is None
