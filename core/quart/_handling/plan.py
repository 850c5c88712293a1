"""What each endpoint needs for a connection, worked out once.

A plan is thrown away when anything that it was made from changes, at any time: the application's
public dicts of hooks report their changes, and so do some of its attributes and its class.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial, wraps
from types import MethodType
from typing import Any, TYPE_CHECKING, TypeVar

from .. import _stock, signals
from .._flask import split_blueprint_path
from .._kind import Kind, REQUEST, WEBSOCKET
from .._loops.forks import in_child
from .._threads import strategy
from .._types import Function, Result
from ..routing import plain_map_of
from . import endings, pipeline, responses, session, straight, teardown as _teardown, whole
from .hooks import hooks_of, in_order, newest_first, on_response, view_of
from .stage import first_stage, is_ours, stage

if TYPE_CHECKING:
    from blinker import Signal

    from ..app import Quart
    from ..asgi import ASGIHTTPConnection
    from ..ctx import AppContext


F = TypeVar("F", bound=Function)

#: The public attributes that are looked up once, when plans are made.
STAGE_NAMES = frozenset(
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
        "request_class",
        # How a URL is matched.
        *("create_url_adapter", "subdomain_matching", "url_map"),
        # How the application is entered.
        "asgi_app",
        "asgi_http_class",
        "wsgi_app",
        # In the layer, requests need an environ if one of these is overridden.
        "app_context",
        "request_context",
        # How functions are called.
        *("async_to_sync", "ensure_async", "ensure_sync", "sync_to_async"),
        # Another class has other methods.
        "__class__",
    }
)


class Plan:
    """An endpoint's place, its view, and its hooks in the order in which they run."""

    __slots__ = (
        "_adapted",
        "accepts",
        "adapt",
        "after",
        "before",
        "blueprints",
        "is_straight",
        "place",
        "preprocesses",
        "preprocessors",
        "processes",
        "stages",
        "stands",
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
        #: Whether nothing that it was made from has changed; a hook or a view may do that.
        self.stands = True
        kind = app._kind_for(kind, endpoint)
        self.stages = app._plans.stages(app, kind)
        view = None if endpoint is None else view_of(app, endpoint)
        if kind is REQUEST and endpoint in app._websocket_endpoints:
            view = endings.refuse_upgrade
        if isinstance(place, strategy.Place):
            self.place = place
        else:
            self.place = strategy.current().place_for(app, view, place)
            if not kind.must_answer:
                self.place = self.place.lasting
        parent = "" if endpoint is None else endpoint.rpartition(".")[0]
        self.blueprints: list[str] = split_blueprint_path(parent) if parent else []
        inward = [None, *reversed(self.blueprints)]
        outward = [*self.blueprints, None]
        #: Turns a function of the application's into one that the pipeline can call in this place.
        self.adapt = adapt = self._adapting(app)
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
        self._adapted: dict[int, tuple[MethodType, Function]] = {}
        self._find_idle_stages()
        self.is_straight = straight.is_straight(self)

    def _adapting(self, app: Quart) -> Callable[[Function], Function]:
        if app._ensuring.within(app):
            return self.place.adapt
        return lambda func: self.place.adapt(_ensured(app, func))

    def adapted(self, method: Function) -> Function:
        """Return the bound *method* as the pipeline calls it in this place."""
        if type(method) is not MethodType:
            return self.place.adapt(method)
        function: Any = method.__func__
        known = self._adapted.get(id(function))
        if known is None or known[0].__self__ is not method.__self__:
            known = self._adapted[id(function)] = method, self.place.adapt(method)
        return known[1]

    def _adapt_after(self, app: Quart, kind: Kind, table: str, func: Function) -> Function:
        if not app._ensuring.within(app):
            func = _ensured(app, func)
        adapted = self.place.adapt_after(app, func)
        # A function for requests expects a response, which a websocket seldom has.
        return adapted if kind.must_answer or table not in REQUEST.after else on_response(adapted)

    def _find_idle_stages(self) -> None:
        """Note which stages have nothing to do; asking is cheaper than calling them."""
        stages = self.stages
        self.preprocesses = bool(
            self.before or self.preprocessors or not is_ours(stages.preprocess)
        )
        self.processes = bool(self.after or not is_ours(stages.process))
        self.tears_down = bool(
            self.teardown
            or not is_ours(stages.do_teardown)
            or not is_ours(stages.do_teardown_appcontext)
        )


def _ensured(app: Quart, func: Function) -> Function:
    """Return *func*, called through the application's own `ensure_async` or the like."""

    @wraps(func)
    def ensured(*args: object, **kwargs: object) -> Result:
        return app._ensured(func)(*args, **kwargs)

    if not app._ensures_async:
        return ensured

    @wraps(func)
    async def awaited(*args: object, **kwargs: object) -> Result:
        result = ensured(*args, **kwargs)
        return await result if hasattr(result, "__await__") else result

    # A place looks through decorators, and must see this async function.
    del awaited.__wrapped__
    return awaited


class Plans:
    """The plans and stages of one application, made when first needed; `clear` forgets them.

    They do not refer to the application, so one that never served is freed at once.
    """

    __slots__ = ("_changes", "_mixed_in", "_plans", "_seen", "_stages", "keeps")

    def __init__(self) -> None:
        self._changes = 0
        #: Base classes of the application's class that do not report changes, and their attributes.
        self._mixed_in: tuple[type, ...] = ()
        self._seen: list[list[object]] = []
        self._plans: dict[tuple[Kind, str | None, strategy.Place | str | None], Plan] = {}
        self._stages: dict[Kind, Stages] = {}
        #: Whether a view stays the same until somebody says so; it does in a plain dict of them.
        self.keeps = True

    def clear(self) -> None:
        for plan in self._plans.values():
            plan.stands = False
        self._plans.clear()
        self._stages.clear()
        self._changes = -1  # The application's class may have changed too.

    def get(
        self,
        app: Quart,
        kind: Kind,
        endpoint: str | None,
        place: strategy.Place | str | None = None,
    ) -> Plan:
        """Return the plan of *endpoint* in *place*: a place, a default's name, or None for any."""
        if self._changes != _stock.changes or self._mixed_in:
            self._look_at_classes(app)
        key = kind, endpoint, place
        plan = self._plans.get(key)
        if plan is None:
            plan = Plan(app, kind, endpoint, place)
            if self.keeps:
                self._plans[key] = plan
        return plan

    def stages(self, app: Quart, kind: Kind) -> Stages:
        if self._changes != _stock.changes or self._mixed_in:
            self._look_at_classes(app)
        return self._stages.get(kind) or self._make_stages(app, kind)

    def _make_stages(self, app: Quart, kind: Kind) -> Stages:
        stages = self._stages[kind] = Stages(app, kind)
        return stages

    def _look_at_classes(self, app: Quart) -> None:
        """Forget everything if a class of *app* may have changed since the last look."""
        if self._changes == _stock.changes and all(
            all(map(operator.is_, map(vars(cls).get, STAGE_NAMES), seen))
            for cls, seen in zip(self._mixed_in, self._seen, strict=True)
        ):
            return
        self.clear()
        self._changes, self._mixed_in = _stock.changes, _stock.unwatched_before(type(app))
        self._seen = [[vars(cls).get(name) for name in STAGE_NAMES] for cls in self._mixed_in]


class Stages:
    """The pipeline's stages for an application: ours, or the methods that override them.

    And the signals that are sent on the way, which the strategy chooses. Each field is assigned
    from the function that it is by default, so an editor can follow it.
    """

    __slots__ = (
        *("answering", "connection_class", "context_popped", "context_pushed"),
        *("context_tearing_down", "is_watched"),
        *("dispatch", "do_teardown", "do_teardown_appcontext", "failed", "finalize", "finished"),
        *("full_dispatch", "handle", "handle_exception", "handle_http_exception"),
        *("handle_user_exception", "opens_late", "make_default_options_response"),
        *("make_response", "plain_map", "preprocess", "process", "request_class"),
        *("started", "tearing_down"),
    )

    def __init__(self, app: Quart, kind: Kind) -> None:
        def of_kind(name: str, internal: F) -> F:
            return stage(getattr(app, name), internal)

        self.handle = first_stage(getattr(app, kind.handle), pipeline.handle)
        self.full_dispatch = of_kind(kind.full_dispatch, pipeline.full_dispatch)
        self.preprocess = of_kind(kind.preprocess, pipeline.preprocess)
        self.dispatch = of_kind(kind.dispatch, pipeline.dispatch)
        self.make_response = stage(app.make_response, _make_response)
        self.finalize = of_kind(kind.finalize, pipeline.finalize)
        self.process = of_kind(kind.process, pipeline.process)
        self.make_default_options_response = stage(
            app.make_default_options_response, pipeline.make_default_options_response
        )
        self._find_endings(app, kind)
        self._find_signals(app, kind)
        self.opens_late = session.lazy_if_unused(app)
        #: Answers a request without a response, if nobody has overridden a stage around that.
        self.answering: whole.Answering | None = None
        if kind is REQUEST and self.dispatch is pipeline.dispatch and self._are_ours():
            self.answering = app._answering
        self.request_class = app._connection_class
        self.plain_map = plain_map_of(app)
        #: The class that handles a server's request, if nobody has put anything in between.
        entry = app.asgi_http_class
        is_direct = app._entries.within(app) and app._connection_at_once() is entry
        self.connection_class: type[ASGIHTTPConnection] | None = entry if is_direct else None
        #: Whether the loop on which these run is being watched.
        self.is_watched = False

    def _are_ours(self) -> bool:
        """Whether nobody has overridden a stage that a response goes through."""
        stages = self.handle, self.full_dispatch, self.finalize, self.process, self.make_response
        return all(is_ours(each) for each in stages)

    def _find_endings(self, app: Quart, kind: Kind) -> None:
        self.handle_http_exception = stage(
            app.handle_http_exception, pipeline.handle_http_exception
        )
        self.handle_user_exception = stage(
            app.handle_user_exception, pipeline.handle_user_exception
        )
        self.handle_exception = stage(
            getattr(app, kind.handle_exception), pipeline.handle_exception
        )
        self.do_teardown = stage(getattr(app, kind.do_teardown), _teardown.do_teardown)
        self.do_teardown_appcontext = stage(
            app.do_teardown_appcontext, _teardown.do_teardown_appcontext
        )

    def _find_signals(self, app: Quart, kind: Kind) -> None:
        signal_for = partial(strategy.current().signal_for, app)
        self.started: Signal = signal_for(kind.started)
        self.finished: Signal = signal_for(kind.finished)
        self.tearing_down: Signal = signal_for(kind.tearing_down)
        self.failed: Signal = signal_for(kind.failed)
        self.context_pushed: Signal = signal_for(signals.appcontext_pushed)
        self.context_popped: Signal = signal_for(signals.appcontext_popped)
        self.context_tearing_down: Signal = signal_for(signals.appcontext_tearing_down)


def _make_response(app: Quart, ctx: AppContext | None, result: Result) -> Result:
    """Call `responses.make_response`; the layer's face of an application has another function."""
    return responses.make_response(app, ctx, result)


# A forked child must do again what its parent has done, such as watching its loop.
in_child(_stock.count_change)
