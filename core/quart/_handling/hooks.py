"""Hooks: an application's public dicts of them, and the order in which they run.

The dicts look like ordinary dicts of lists, but they report each change. The order goes through the
application and its blueprints, for one kind of connection or for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import wraps
from typing import Any, TYPE_CHECKING

from .._types import Function

if TYPE_CHECKING:
    from ..app import Quart


def view_of(app: Quart, endpoint: str) -> Function | None:
    try:
        # Index it as Flask does, which matters if it is no plain dict.
        return app.view_functions[endpoint]
    except KeyError:
        return None


def keeps_views(views: object) -> bool:
    """Whether *views* returns the same view for an endpoint until somebody changes it."""
    cls: Any = type(views)
    is_plain = isinstance(views, dict) and cls.__getitem__ is dict.__getitem__
    return isinstance(views, HookTable) or (is_plain and not hasattr(cls, "__missing__"))


#: Functions by the name of their blueprint; None stands for the application.
Hooks = Mapping[str | None, Sequence[Function]]


def on_response(func: Function) -> Function:
    """Return *func*, which takes a response, so that it passes None through."""

    @wraps(func)
    def after(response: object) -> object:
        return None if response is None else func(response)

    return after


def returned_no_response(func: Function) -> TypeError:
    """Return the error for a function of `after_request` that returned None."""
    name = getattr(func, "__qualname__", repr(func))
    return TypeError(
        f"Expected a response from {name!r}, a function of `after_request`, got None. Return the"
        " response that it is given, or another one."
    )


def hooks_of(
    app: Quart,
    tables: Iterable[str],
    ordered: Callable[[Hooks, list[str | None]], Iterator[Function]],
    scopes: list[str | None],
) -> Iterator[tuple[str, Function]]:
    """Yield the hooks of *tables*, skipping functions that an earlier table has."""
    earlier: list[Function] = []
    for table in tables:
        funcs = list(ordered(getattr(app, table), scopes))
        yield from ((table, func) for func in funcs if func not in earlier)
        earlier += funcs


def in_order(hooks: Hooks, scopes: list[str | None]) -> Iterator[Function]:
    for scope in scopes:
        yield from hooks.get(scope, ())


def newest_first(hooks: Hooks, scopes: list[str | None]) -> Iterator[Function]:
    for scope in scopes:
        yield from reversed(hooks.get(scope, ()))


#: Attributes of an application that plans depend on. The application's `__setattr__` watches them:
#: a descriptor for each would come after what a subclass defines, and an application is set up only
#: once, so the cost does not matter.
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
    """A list that reports each change."""

    def __init__(self, values: Iterable[Function], changed: Callable[[], None]) -> None:
        super().__init__(values)
        self.changed = changed

    # It must be a list, as extensions check `isinstance(hooks, list)`, which a `UserList` fails.
    # The loop replaces a dozen equal methods: each does what list's own does, and reports it.
    locals().update(
        _observed(
            list,
            "append extend insert remove pop clear sort reverse"
            " __setitem__ __delitem__ __iadd__ __imul__",
        )
    )


class HookTable(dict[Any, Any]):
    """A dict of lists that reports each change in it; a missing list appears when you read it."""

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

    # The abstract mapping's `update` calls the methods above; dict's own would not.
    update = MutableMapping.update
    locals().update(_observed(dict, "__delitem__ pop popitem clear"))
