"""What an endpoint needs per connection, worked out once.

An application's public dicts of hooks stay ordinary dicts of lists to who uses them, but they are
observed: any change to them, at any time, makes the plans be compiled anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, MutableMapping
from functools import partial, wraps
from typing import Any, cast, TYPE_CHECKING, TypeVar

from .. import routing, signals
from .._connection.making import maker_of
from .._flask import split_blueprint_path
from .._kind import Kind, REQUEST, WEBSOCKET
from .._threads import strategy
from ..wrappers.request import Request
from . import pipeline, session, teardown as _teardown
from .either import function_of
from .hooks import hooks_of, in_order, newest_first, on_response

if TYPE_CHECKING:
    from ..app import Quart

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

#: The attributes of an application whose change changes plans.
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


#: The public methods that are looked up once, when plans are made.
STEP_NAMES = frozenset(
    {
        value
        for kind in (REQUEST, WEBSOCKET)
        for value in (
            kind.handle,
            kind.full_dispatch,
            kind.preprocess,
            kind.dispatch,
            kind.finalize,
            kind.process,
            kind.do_teardown,
            kind.handle_exception,
        )
    }
    | {
        "do_teardown_appcontext",
        "handle_http_exception",
        "handle_user_exception",
        "make_default_options_response",
        "make_response",
        "session_interface",
        "create_url_adapter",
        "request_class",
        "subdomain_matching",
        "url_map",
    }
)


def _observed(base: type, mutators: str) -> dict[str, Function]:
    def observe(name: str) -> Function:
        original = getattr(base, name)

        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
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

    locals().update(
        _observed(
            list,
            "append extend insert remove pop clear sort reverse"
            " __setitem__ __delitem__ __iadd__ __imul__",
        )
    )


class HookTable(dict[Any, Any]):
    """A dict that says when it, or a list in it, changes; a missing list appears when asked for."""

    def __init__(self, values: dict[Any, Any], changed: Callable[[], None]) -> None:
        super().__init__()
        self.changed = changed
        self._makes_lists = hasattr(values, "default_factory")
        self.update(values)

    def __missing__(self, key: Any) -> Any:
        if not self._makes_lists:
            raise KeyError(key)
        self[key] = []
        return self[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(value) is list:
            value = HookList(value, self.changed)
        super().__setitem__(key, value)
        self.changed()

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> HookTable:  # type: ignore[misc]  # narrower than dict's
        self.update(other)
        return self

    # Those of the abstract mapping go through the methods above; those of `dict` would not.
    update = MutableMapping.update
    locals().update(_observed(dict, "__delitem__ pop popitem clear"))


class Plan:
    """An endpoint's place, view and hooks in the order in which they run."""

    __slots__ = (
        "accepts",
        "after",
        "before",
        "blueprints",
        "close_session",
        "open_session",
        "place",
        "preprocesses",
        "preprocessors",
        "processes",
        "steps",
        "teardown",
        "tears_down",
        "view",
    )

    def __init__(
        self,
        app: Quart,
        kind: Kind,
        endpoint: str | None,
        place: strategy.Place | str | None,
    ) -> None:
        kind = app._manner_of(kind, endpoint)
        self.steps = app._plans.steps(app, kind)
        view = None if endpoint is None else app.view_functions.get(endpoint)
        if isinstance(place, strategy.Place):
            self.place = place
        else:
            self.place = strategy.current().place_for(app, view, place)
        parent = "" if endpoint is None else endpoint.rpartition(".")[0]
        self.blueprints: list[str] = split_blueprint_path(parent) if parent else []
        inward = [None, *reversed(self.blueprints)]
        outward = [*self.blueprints, None]
        adapt = self.place.adapt
        self.view = None if view is None else adapt(view)
        self.accepts = kind.accepts
        self.preprocessors = tuple(in_order(app.url_value_preprocessors, inward))
        self.before = tuple(adapt(func) for _, func in hooks_of(app, kind.before, in_order, inward))
        self.after = tuple(
            self._adapt_after(app, kind, table, func)
            for table, func in hooks_of(app, kind.after, newest_first, outward)
        )
        teardown = hooks_of(app, kind.teardown, newest_first, outward)
        self.teardown = tuple(adapt(func) for _, func in teardown)
        self.open_session = adapt(app.session_interface.open_session)
        plain_save = session.plain_save_of(app)
        self.close_session = plain_save or adapt(app.session_interface.save_session)
        self._find_idle_steps(app)

    def _adapt_after(self, app: Quart, kind: Kind, table: str, func: Function) -> Function:
        adapted = self.place.adapt_after(app, func)
        # A function for requests counts on a response, which a websocket seldom has.
        return adapted if kind.must_answer or table not in REQUEST.after else on_response(adapted)

    def _find_idle_steps(self, app: Quart) -> None:
        """Note which steps have nothing to do: to call one would cost more than to ask."""
        steps = self.steps
        self.preprocesses = bool(
            self.before or self.preprocessors or steps.preprocess is not pipeline.preprocess
        )
        self.processes = bool(self.after or steps.process is not pipeline.process)
        self.tears_down = bool(
            self.teardown
            or steps.do_teardown is not _teardown.do_teardown
            or steps.do_teardown_appcontext is not _teardown.do_teardown_appcontext
            # To close a request may do more than to close the files of its form.
            or app._connection_class.close is not Request.close
        )


class Plans:
    """The compiled plans and steps of one application; `clear` forgets them.

    It has no reference to the application, so that one that never served is freed at once.
    """

    __slots__ = ("_has_stock_adapter", "_plans", "_steps")

    def __init__(self) -> None:
        self._has_stock_adapter: bool | None = None
        self._plans: dict[tuple[Kind, str | None, strategy.Place | str | None], Plan] = {}
        self._steps: dict[Kind, Any] = {}

    def clear(self) -> None:
        self._plans.clear()
        self._steps.clear()
        self._has_stock_adapter = None

    def has_stock_adapter(self, app: Quart) -> bool:
        if self._has_stock_adapter is None:
            self._has_stock_adapter = routing.has_stock_adapter(app)
        return self._has_stock_adapter

    def get(
        self,
        app: Quart,
        kind: Kind,
        endpoint: str | None,
        place: strategy.Place | str | None = None,
    ) -> Plan:
        """Return the plan of *endpoint* in *place*: a certain one, a default's name, or any."""
        key = kind, endpoint, place
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = Plan(app, kind, endpoint, place)
        return plan

    def steps(self, app: Quart, kind: Kind | None) -> Steps:
        kind = kind or REQUEST
        steps = self._steps.get(kind)
        if steps is None:
            steps = self._steps[kind] = Steps(app, kind)
        return steps


class Steps:
    """The pipeline's steps as an application has them: ours, or what it overrides one with.

    And the signals that it sends on the way, which the strategy chooses.
    """

    # Those that are one method for both kinds; the others are named by the kind.
    _SHARED = (
        "do_teardown_appcontext",
        "handle_http_exception",
        "handle_user_exception",
        "make_default_options_response",
        "make_response",
    )
    _OF_KIND = (
        "dispatch",
        "do_teardown",
        "finalize",
        "full_dispatch",
        "handle",
        "handle_exception",
        "preprocess",
        "process",
    )
    _SIGNALS = ("failed", "finished", "started", "tearing_down")
    __slots__ = (
        *_SHARED,
        *_OF_KIND,
        *_SIGNALS,
        "context_popped",
        "context_pushed",
        "context_tearing_down",
        "has_lazy_session",
        "make_request",
        "request_class",
    )

    def __init__(self, app: Quart, kind: Kind) -> None:
        for step in self._SHARED:
            setattr(self, step, _step(getattr(app, step)))
        for step in self._OF_KIND:
            method = getattr(app, getattr(kind, step))
            setattr(self, step, _step(method, is_first=step == "handle"))
        signal_for = partial(strategy.current().signal_for, app)
        for name in self._SIGNALS:
            setattr(self, name, signal_for(getattr(kind, name)))
        self.context_pushed = signal_for(signals.appcontext_pushed)
        self.context_popped = signal_for(signals.appcontext_popped)
        self.context_tearing_down = signal_for(signals.appcontext_tearing_down)
        self.has_lazy_session = session.is_lazy(app)
        self.request_class = app._connection_class
        self.make_request = maker_of(self.request_class)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def _step(method: Function, is_first: bool = False) -> Function:
    """Return *method* as ``step(app, ctx, *args)``, what it returns perhaps awaitable."""
    function = function_of(method)
    mark = getattr(function, "step", None)
    # A decorator that copies attributes copies the mark too, but it is not the marked function.
    if type(mark) is tuple and mark[0] is function:
        return cast(Function, mark[1])

    if is_first:
        return _first_step(method)
    takes_ctx = _takes_ctx(method)

    async def overridden(app: Quart, ctx: Any, *args: Any) -> Any:
        result = method(ctx, *args) if takes_ctx else method(*args)
        if hasattr(result, "__await__"):
            result = await ctx.plan.place.resolve(result)
        return result

    return overridden


#: In a scope: the context that is there for the connection, until it is entered.
PREPARED = "quart.context"


def _first_step(method: Function) -> Function:
    """The same for the step that finds the place: there is no plan before that."""

    async def overridden(app: Quart, ctx: Any, connection: Any) -> Any:
        connection.scope[PREPARED] = ctx
        result = method(connection)
        return await result if hasattr(result, "__await__") else result

    return overridden


def _takes_ctx(method: Function) -> bool:
    """Whether an override is written for the signatures of Quart 0.23, with the context first."""
    try:
        return next(iter(inspect.signature(method).parameters), None) == "ctx"
    except (TypeError, ValueError):  # It has no signature.
        return False


def step_of(internal: Function) -> Callable[[F], F]:
    """Mark a public method as the untouched face of the step *internal*."""

    def mark(method: F) -> F:
        method.step = (method, internal)  # type: ignore[attr-defined]  # functions take attributes
        return method

    return mark
