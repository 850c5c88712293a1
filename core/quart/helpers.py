"""Functions for views and templates: responses, URLs, messages, streams."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, cast, NoReturn, overload, ParamSpec, TypeVar

from flask.helpers import get_root_path as get_root_path
from flask.sansio.scaffold import find_package as _find_package
from werkzeug.exceptions import abort as werkzeug_abort, NotFound as NotFound
from werkzeug.utils import redirect as werkzeug_redirect
from werkzeug.wrappers import Response as WerkzeugResponse

# Users import some of these from this module.
from ._files import (
    adler32 as adler32,
    DEFAULT_MIMETYPE as DEFAULT_MIMETYPE,
    safe_join as safe_join,
    send_file as send_file,
    send_from_directory as send_from_directory,
    UTC as UTC,
)
from ._flask import REDIRECT
from ._threads import strategy
from .globals import (
    _cv_app,
    app_ctx as app_ctx,
    current_app as current_app,
    request as request,
    session as session,
)
from .signals import message_flashed as message_flashed
from .typing import FilePath as FilePath
from .utils import file_path_to_path as file_path_to_path, run_sync_iterable
from .wrappers import Response as Response
from .wrappers._bodies import aclose
from .wrappers.response import ResponseBody as ResponseBody

T = TypeVar("T")
P = ParamSpec("P")

_FALSE = frozenset({"0", "false", "no"})


def get_debug_flag() -> bool:
    """Whether the environment variable `QUART_DEBUG` asks for debug mode."""
    value = os.environ.get("QUART_DEBUG")
    return bool(value) and value.lower() not in _FALSE  # type: ignore[union-attr]  # it is set


def get_load_dotenv(default: bool = True) -> bool:
    """Whether to load dotenv files: not if `QUART_SKIP_DOTENV` has a true value."""
    value = os.environ.get("QUART_SKIP_DOTENV")
    return value.lower() in _FALSE if value else default


async def make_response(*args: object) -> Response:
    """Return the response that a view returning *args* would give, to set headers on it.

    ```python
    response = await make_response("Not here", 404)
    response.headers["X-Reason"] = "moved"
    ```
    """
    app = current_app
    if not args:
        return app.response_class()
    return await app.make_response(args[0] if len(args) == 1 else args)


async def make_push_promise(path: str) -> None:
    """Tell an HTTP/2 client that it will need *path*; do nothing for other clients."""
    await request.send_push_promise(path)


async def flash(message: str, category: str = "message") -> None:
    """Keep *message* in the session, for the next page that calls `get_flashed_messages`."""
    # Assign it again, since the session does not notice a change inside the list.
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]
    await app_ctx.app._emit(message_flashed, message=message, category=category)


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """Take the flashed messages out of the session and return them.

    Within one request every call returns them again. With *category_filter* only those of these
    categories are returned, but all are taken out.
    """
    ctx = app_ctx
    if ctx.flashes is None:
        kept = ctx.session
        ctx.flashes = kept.pop("_flashes") if "_flashes" in kept else []
    wanted = set(category_filter)
    flashes = [item for item in ctx.flashes if not wanted or item[0] in wanted]
    return flashes if with_categories else [message for _, message in flashes]


def get_template_attribute(template_name: str, attribute: str) -> Any:
    """Return a macro or variable that a template exports, to call it from Python.

    Under an async Jinja environment, calling a macro gives an awaitable.

    Raises:
        RuntimeError: if the template has to await something before its exports are known.
    """
    template = app_ctx.app.jinja_env.get_template(template_name)
    if not template.environment.is_async:
        return getattr(template.module, attribute)
    return getattr(strategy.wait_for(template.make_module_async()), attribute)


def url_for(
    endpoint: str,
    *,
    _anchor: str | None = None,
    _external: bool | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    **values: object,
) -> str:
    """Return the URL of *endpoint*; one that begins with a dot is in the current blueprint.

    Keywords that the rule has no variable for become the query string.
    """
    return current_app.url_for(
        endpoint,
        _anchor=_anchor,
        _external=_external,
        _method=_method,
        _scheme=_scheme,
        **values,
    )


def abort(code: int | Response | WerkzeugResponse, *args: object, **kwargs: object) -> NoReturn:
    """Raise the `HTTPException` for *code*, made with the further arguments."""
    if (ctx := _cv_app.get(None)) is not None:
        ctx.app.aborter(cast(Any, code), *args, **kwargs)
    werkzeug_abort(cast(Any, code), *args, **kwargs)


def redirect(location: str, code: int = REDIRECT) -> WerkzeugResponse:
    """Return a response that sends the client to *location*."""
    if (ctx := _cv_app.get(None)) is not None:
        return ctx.app.redirect(location, code=code)
    return werkzeug_redirect(location, code=code)


def find_package(name: str) -> tuple[Path | None, Path]:
    """Return the prefix that the package *name* is installed in, or None, and its folder."""
    prefix, path = _find_package(name)
    return None if prefix is None else Path(prefix), Path(path)


@overload
def stream_with_context(func: AsyncIterator[T] | Iterator[T]) -> AsyncIterator[T]: ...


@overload
def stream_with_context(
    func: Callable[P, AsyncIterator[T] | Iterator[T]],
) -> Callable[P, AsyncIterator[T]]: ...


def stream_with_context(func: Any) -> Any:
    """Keep this request's context, with its `g` and session, while a stream is sent.

    *func* is a generator or a generator function, plain or async. For a function it returns a
    function, so you can use it as a decorator. The teardown functions run when the stream has
    ended.

    Raises:
        RuntimeError: when the stream is made, if there is no context to keep.
    """
    if isinstance(func, (AsyncIterator, Iterator)):
        return _KeptStream(func)

    @wraps(func)
    def make(*args: object, **kwargs: object) -> AsyncIterator[object]:
        return _KeptStream(func(*args, **kwargs))

    return make


class _KeptStream(AsyncIterator[Any]):
    """An async iterator that runs in the context in which it was made, and keeps that open."""

    def __init__(self, source: AsyncIterator[object] | Iterator[object]) -> None:
        ctx = _cv_app.get(None)
        if ctx is None:
            raise RuntimeError(
                "Expected a context for stream_with_context to keep, got none. Call it in a view"
                " function, not in what the response iterates over later."
            )
        self._source = source if isinstance(source, AsyncIterator) else run_sync_iterable(source)
        self._ctx = ctx
        self._keeps = False
        if ctx.connection is not None:
            # Enter the context only when the stream is used: if the view fails, nobody would leave
            # it.
            ctx.after_this().append(self._keep_if_used)

    async def _keep_if_used(self, response: object) -> object:
        used = getattr(response, "is_streamed", False)
        if used and not self._keeps:
            self._ctx.enter()
        elif self._keeps and not used:
            self._ctx.exit()
        self._keeps = used
        return response

    async def __anext__(self) -> object:
        outside = self._enter()
        try:
            try:
                return await anext(self._source)
            finally:
                if outside:
                    self._ctx.exit()
        except StopAsyncIteration:
            await self._leave(None)
            raise
        except BaseException as error:
            await self._leave(error)
            raise

    async def aclose(self) -> None:
        outside = self._enter()
        try:
            await aclose(self._source)
        finally:
            if outside:
                self._ctx.exit()
            await self._leave(None)

    def _enter(self) -> bool:
        """Make the context current; return whether it was not."""
        outside = _cv_app.get(None) is not self._ctx
        if outside:
            self._ctx.enter()
        return outside

    async def _leave(self, error: BaseException | None) -> None:
        keeps, self._keeps = self._keeps, False
        if keeps:
            await self._ctx.pop(error)
