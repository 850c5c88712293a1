"""The order of hooks: those of the application and its blueprints, of one kind or of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from ..app import Quart

Function = Callable[..., Any]


def on_response(func: Function) -> Function:
    """Return *func*, which takes a response, as one that lets None pass."""

    @wraps(func)
    def after(response: Any) -> Any:
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
