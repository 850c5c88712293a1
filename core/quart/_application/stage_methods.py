"""The application's public methods, one for each stage of the pipeline.

The work of the stages is in `_handling/pipeline.py`. A subclass, or an extension at run time, may
replace any of these methods, even by a plain function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast, ClassVar, Concatenate, NoReturn, ParamSpec, TYPE_CHECKING, TypeVar

from flask.debughelpers import FormDataRoutingRedirect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from .. import _stock
from .._flask import SetUpAtAnyTime
from .._handling import pipeline, responses, results, teardown
from .._handling.stage import PREPARED, stage_of
from .._kind import Kind
from .._serving import lifespan
from .._types import CoroutineOf
from ..ctx import AppContext
from ..globals import _cv_app
from .scaffold import Scaffold

if TYPE_CHECKING:
    from ..app import Quart
    from ..typing import ResponseReturnValue
    from ..wrappers import Request, Response, Websocket

T = TypeVar("T")
P = ParamSpec("P")


def current_context() -> AppContext:
    ctx = _cv_app.get(None)
    if ctx is None:
        raise RuntimeError(
            "Expected an active context for this stage of handling a request, got none. Open"
            " one with `async with app.test_request_context(...)`."
        )
    return ctx


def connected_context() -> AppContext:
    """Return the context of the current request or websocket, if there is one.

    As in Flask 3.1, it may be around the innermost one, which is of an application alone.
    """
    ctx = current_context()
    return ctx.connected or ctx


#: The names of an argument for a context.
_CONTEXT_NAMES = frozenset({"ctx", "app_context", "request_context", "websocket_context"})


def takes_ctx(
    method: Callable[Concatenate[Any, P], CoroutineOf[T]],
) -> Callable[Concatenate[Any, P], CoroutineOf[T]]:
    """Let callers pass a context to *method* among its arguments.

    Flask 3.1's signatures have no such argument. Flask 3.2's have it first, Quart 0.22's last.
    """

    @wraps(method)
    async def public(self: object, /, *args: Any, **kwargs: Any) -> T:
        given = [value for value in args if isinstance(value, AppContext)]
        if given:
            args = tuple(value for value in args if not isinstance(value, AppContext))
        given += [kwargs.pop(name) for name in _CONTEXT_NAMES & kwargs.keys()]
        ctx = given[0] if given else None
        if ctx is None or ctx is _cv_app.get(None):
            return await method(self, *args, **kwargs)
        if not ctx.is_pushed:
            ctx.find_plan()
        token = _cv_app.set(ctx)
        try:
            return await method(self, *args, **kwargs)
        finally:
            _cv_app.reset(token)

    return cast(Any, public)  # type: ignore[no-any-return]  # it takes more than it says


def _app(methods: StageMethods) -> Quart:
    return cast("Quart", methods)


async def _handle(app: Quart, connection: Request | Websocket) -> Any:
    prepared: AppContext | None = connection.scope.pop(PREPARED, None)  # type: ignore[misc]  # a key of ours
    if prepared is not None and prepared.connection is connection:
        return await pipeline.handle(app, prepared, connection)
    ctx = app._context_for(connection)
    ctx.called_by_hand = True
    try:
        return await pipeline.handle(app, ctx, connection)
    finally:
        ctx.release()


class StageMethods(Scaffold, SetUpAtAnyTime, metaclass=_stock.Watched):
    """The stages that take a connection to its response."""

    #: Say whether the methods that short ways skip are still the original ones.
    _asgi_apps: ClassVar[_stock.Stock]
    _entries: ClassVar[_stock.Stock]
    _ensuring: ClassVar[_stock.Stock]
    _url_adapters: ClassVar[_stock.Stock]

    #: Whether a request within a context of its own application shares that context's `g`.
    _reuses_app_context: ClassVar[bool] = True
    #: Whether a single error of teardown functions is raised in a group too.
    _groups_single_errors: ClassVar[bool] = False

    def _response_for_session(self) -> object:
        """Return the response for `save_session` if a websocket has none."""
        return None

    def _kind_for(self, kind: Kind, endpoint: str | None) -> Kind:
        """Return the rules for connections of *endpoint* and *kind*; the layer has others."""
        return kind

    @stage_of(pipeline.handle)
    async def handle_request(self, request: Request) -> Response:
        """Handle *request* in a context of its own."""
        return cast("Response", await _handle(_app(self), request))

    @stage_of(pipeline.handle)
    async def handle_websocket(self, websocket: Websocket) -> Response | None:
        """Handle *websocket* in a context of its own."""
        return cast("Response | None", await _handle(_app(self), websocket))

    @stage_of(pipeline.full_dispatch)
    @takes_ctx
    async def full_dispatch_request(self) -> Response:
        """Run the hooks and the view of the current request, and handle their errors."""
        return cast("Response", await pipeline.full_dispatch(_app(self), connected_context()))

    @stage_of(pipeline.full_dispatch)
    @takes_ctx
    async def full_dispatch_websocket(self) -> Response | None:
        """Run the hooks and the handler of the current websocket, and handle their errors."""
        return cast(
            "Response | None", await pipeline.full_dispatch(_app(self), connected_context())
        )

    @stage_of(pipeline.preprocess)
    @takes_ctx
    async def preprocess_request(self) -> ResponseReturnValue | None:
        """Run the before-request functions; the first that returns something answers."""
        return cast("ResponseReturnValue | None", await self._preprocess())

    @stage_of(pipeline.preprocess)
    @takes_ctx
    async def preprocess_websocket(self) -> ResponseReturnValue | None:
        """Run the before-websocket functions; the first that returns something refuses."""
        return cast("ResponseReturnValue | None", await self._preprocess())

    async def _preprocess(self) -> object:
        return await pipeline.preprocess(_app(self), connected_context())

    @stage_of(pipeline.dispatch)
    @takes_ctx
    async def dispatch_request(self) -> ResponseReturnValue:
        """Call the view of the current request and return what it returns."""
        return cast("ResponseReturnValue", await self._dispatch())

    @stage_of(pipeline.dispatch)
    @takes_ctx
    async def dispatch_websocket(self) -> ResponseReturnValue | None:
        """Call the handler of the current websocket and return what it returns."""
        return cast("ResponseReturnValue | None", await self._dispatch())

    async def _dispatch(self) -> object:
        return await results.resolve_here(pipeline.dispatch(_app(self), connected_context()))

    @stage_of(pipeline.finalize)
    @takes_ctx
    async def finalize_request(self, result: Any, from_error_handler: bool = False) -> Response:
        """Turn *result* into a response and process it."""
        return cast("Response", await self._finalize(result, from_error_handler))

    @stage_of(pipeline.finalize)
    @takes_ctx
    async def finalize_websocket(
        self, result: Any, from_error_handler: bool = False
    ) -> Response | None:
        """Turn *result* into a response, if there is one, and process it."""
        return cast("Response | None", await self._finalize(result, from_error_handler))

    async def _finalize(self, *args: Any) -> Any:
        return await results.resolve_here(pipeline.finalize(_app(self), connected_context(), *args))

    @stage_of(pipeline.process)
    @takes_ctx
    async def process_response(self, response: Response) -> Response:
        """Run the after-request functions and save the session."""
        return cast("Response", await pipeline.process(_app(self), connected_context(), response))

    @stage_of(pipeline.process)
    @takes_ctx
    async def postprocess_websocket(self, response: Response | None) -> Response | None:
        """Run the after-websocket functions and save the session."""
        return cast(
            "Response | None", await pipeline.process(_app(self), connected_context(), response)
        )

    @stage_of(responses.make_response)
    async def make_response(self, result: Any) -> Response:
        """Return the response for *result*, the return value of a view.

        Raises:
            TypeError: if *result* is nothing that a view may return.
        """
        return responses.make_response(_app(self), _cv_app.get(None), result)

    @stage_of(pipeline.make_default_options_response)
    @takes_ctx
    async def make_default_options_response(self) -> Response:
        """Answer an OPTIONS request with the methods that the URL allows."""
        ctx = connected_context()
        return cast("Response", await pipeline.make_default_options_response(_app(self), ctx))

    @stage_of(teardown.do_teardown)
    @takes_ctx
    async def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the current request, all of them."""
        await teardown.do_teardown(_app(self), connected_context(), exc)

    @stage_of(teardown.do_teardown)
    @takes_ctx
    async def do_teardown_websocket(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the current websocket, all of them."""
        await teardown.do_teardown(_app(self), connected_context(), exc)

    @stage_of(teardown.do_teardown_appcontext)
    @takes_ctx
    async def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the application context, newest first."""
        await teardown.do_teardown_appcontext(_app(self), current_context(), exc)

    # Errors

    @stage_of(pipeline.handle_http_exception)
    @takes_ctx
    async def handle_http_exception(
        self, error: HTTPException
    ) -> HTTPException | ResponseReturnValue:
        """Call the handler of an HTTP error; without one the error is the answer."""
        ctx = connected_context()
        return cast(HTTPException, await pipeline.handle_http_exception(_app(self), ctx, error))

    @stage_of(pipeline.handle_user_exception)
    @takes_ctx
    async def handle_user_exception(self, error: Exception) -> HTTPException | ResponseReturnValue:
        """Call the handler of an error that a hook or a view raised.

        Raises:
            Exception: *error* itself, if it has no handler.
        """
        ctx = connected_context()
        return cast(HTTPException, await pipeline.handle_user_exception(_app(self), ctx, error))

    @stage_of(pipeline.handle_exception)
    @takes_ctx
    async def handle_exception(self, error: Exception) -> Response:
        """Log *error*, which nobody handled, and answer 500.

        Raises:
            Exception: *error* itself, if PROPAGATE_EXCEPTIONS or TESTING is on.
        """
        return cast(
            "Response", await pipeline.handle_exception(_app(self), connected_context(), error)
        )

    @stage_of(pipeline.handle_exception)
    @takes_ctx
    async def handle_websocket_exception(self, error: Exception) -> Response | None:
        """Log *error*, which nobody handled; answer 500 if the websocket is not open yet.

        Raises:
            Exception: *error* itself, if PROPAGATE_EXCEPTIONS or TESTING is on.
        """
        ctx = connected_context()
        return cast("Response | None", await pipeline.handle_exception(_app(self), ctx, error))

    @takes_ctx
    async def handle_background_exception(self, error: Exception) -> None:
        """Log what a background task raised."""
        await lifespan.handle_background_exception(_app(self), error)

    def raise_routing_exception(self, request: Any) -> NoReturn:
        """Raise what matching the URL raised.

        In debug mode a redirect that would lose form data is reported as such.
        """
        error = request.routing_exception
        if (
            self.debug
            and isinstance(error, RequestRedirect)
            and error.code not in {307, 308}
            and request.method not in {"GET", "HEAD", "OPTIONS"}
        ):
            raise FormDataRoutingRedirect(request)
        raise error
