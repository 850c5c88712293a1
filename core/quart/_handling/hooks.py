"""Hooks: an application's public dicts of them, and the order in which they run.

Whoever uses the dicts sees ordinary dicts of lists, but they say when they change. The order is
that of the application and its blueprints, of one kind or of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import wraps
from typing import Any, TYPE_CHECKING

from .._types import Function

if TYPE_CHECKING:
    from ..app import Quart


def on_response(func: Function) -> Function:
    """Return *func*, which takes a response, as one that lets None pass."""

    @wraps(func)
    def after(response: object) -> object:
        return None if response is None else func(response)

    return after


def hooks_of(
    app: Quart,
    tables: Iterable[str],
    ordered: Callable[[dict[Any, Any], list[str | None]], Iterator[Function]],
    scopes: list[str | None],
) -> Iterator[tuple[str, Function]]:
    """Go through *tables* of hooks, without the functions that an earlier one has already."""
    earlier: list[Function] = []
    for table in tables:
        funcs = list(ordered(getattr(app, table), scopes))
        yield from ((table, func) for func in funcs if func not in earlier)
        earlier += funcs


def in_order(hooks: dict[Any, Any], scopes: list[str | None]) -> Iterator[Function]:
    for scope in scopes:
        yield from hooks.get(scope, ())


def newest_first(hooks: dict[Any, Any], scopes: list[str | None]) -> Iterator[Function]:
    for scope in scopes:
        yield from reversed(hooks.get(scope, ()))


#: The attributes of an application whose change changes plans. Its `__setattr__` looks for them, as
#: a descriptor for each would come after what a subclass defines; an application is set up once.
HOOK_TABLES = frozenset(
    {
        "view_functions",
        "url_value_preprocessors",
        "before_request_funcs",
        "after_request_funcs",
        "teardown_request_funcs",
        "before_websocket_funcs",
        "after_websocket_funcs",
        "teardown_websocket_funcs",
    }
)


def _observed(base: type, mutators: str) -> dict[str, Function]:
    def observe(name: str) -> Function:
        original = getattr(base, name)

        @wraps(original)
        def method(self: Any, *args: object, **kwargs: object) -> object:
            try:
                return original(self, *args, **kwargs)
            finally:
                self.changed()

        return method

    return {name: observe(name) for name in mutators.split()}


class HookList(list[Function]):
    """A list that says when it changes."""

    def __init__(self, values: Iterable[Function], changed: Callable[[], None]) -> None:
        super().__init__(values)
        self.changed = changed

    # A list still: extensions ask `isinstance(hooks, list)`, and a `UserList` is none. Each method
    # that changes a list does the same thing besides, so they are made in a loop.
    locals().update(
        _observed(
            list,
            "append extend insert remove pop clear sort reverse"
            " __setitem__ __delitem__ __iadd__ __imul__",
        )
    )


class HookTable(dict[Any, Any]):
    """A dict that says when it, or a list in it, changes; a missing list appears when asked for."""

    def __init__(self, values: dict[object, object], changed: Callable[[], None]) -> None:
        super().__init__()
        self.changed = changed
        self._makes_lists = hasattr(values, "default_factory")
        self.update(values)

    def __missing__(self, key: object) -> object:
        if not self._makes_lists:
            raise KeyError(key)
        self[key] = []
        return self[key]

    def __setitem__(self, key: object, value: object) -> None:
        if type(value) is list:
            value = HookList(value, self.changed)
        super().__setitem__(key, value)
        self.changed()

    def setdefault(self, key: object, default: object = None) -> object:
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> HookTable:  # type: ignore[misc]  # narrower than dict's
        self.update(other)
        return self

    # Those of the abstract mapping go through the methods above; those of `dict` would not.
    update = MutableMapping.update
    locals().update(_observed(dict, "__delitem__ pop popitem clear"))
