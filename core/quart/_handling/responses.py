"""Make a response from what a view has returned."""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from inspect import isasyncgen, isgenerator
from io import BufferedIOBase, RawIOBase
from types import CoroutineType
from typing import Any, TYPE_CHECKING

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.response import Response as SansioResponse
from werkzeug.wrappers import Response as WSGIResponse

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext
    from ..wrappers import Response

_BODIES = (
    bytearray,
    Iterator,
    AsyncIterator,
    Generator,
    AsyncGenerator,
    os.PathLike,
    BufferedIOBase,
    RawIOBase,
)
_EXPECTED = (
    "a str, bytes, dict, list, a (sync or async) generator, a Response, or a tuple (body, status),"
    " (body, headers) or (body, status, headers)"
)


def make_response(app: Quart, ctx: AppContext | None, result: object) -> Response:
    """Return the response for *result*, the return value of a view.

    Raises:
        TypeError: if *result* is nothing that a view may return.
    """
    if isinstance(result, (str, bytes)):  # Most results are one of these, so check them first.
        return app.response_class(result)
    status = headers = None
    if isinstance(result, tuple):
        result, status, headers = _unpack(result, ctx)
    response = _convert(app, ctx, result)
    if status is not None:
        if isinstance(status, (str, bytes, bytearray)):
            response.status = status if isinstance(status, str) else status.decode()
        else:
            response.status_code = int(status)
    if headers:
        response.headers.update(headers)
    return response


def _unpack(result: tuple[object, ...], ctx: AppContext | None) -> tuple[object, Any, Any]:
    if len(result) == 3:
        return result
    if len(result) == 2:
        if isinstance(result[1], (Headers, dict, tuple, list)):
            return result[0], None, result[1]
        return result[0], result[1], None
    raise TypeError(
        f"{_view(ctx)} returned a tuple of {len(result)}; expected (body, status), (body, headers)"
        " or (body, status, headers)."
    )


def _convert(app: Quart, ctx: AppContext | None, result: object) -> Response:
    if isinstance(result, app.response_class):
        return result
    if isinstance(result, (str, bytes)):
        return app.response_class(result)
    # Check these before the abstract classes, which are slow to check.
    if isinstance(result, (dict, list)):
        return app.json.response(result)  # type: ignore[return-value]  # of app.response_class
    if isinstance(result, _BODIES) or isgenerator(result) or isasyncgen(result):
        return app.response_class(result)
    if isinstance(result, HTTPException):
        result = result.get_response()
    if isinstance(result, SansioResponse):
        return from_other_response(app, result)
    if inspect.iscoroutine(result):
        raise unawaited(ctx, result)
    if result is None:
        raise TypeError(
            f"{_view(ctx)} returned None, or ended without a return statement; expected"
            f" {_EXPECTED}."
        )
    raise TypeError(f"{_view(ctx)} returned {type(result).__name__}; expected {_EXPECTED}.")


def unawaited(ctx: AppContext | None, result: CoroutineType[object, Any, object]) -> TypeError:
    """Return the error for a view that returned a coroutine that nobody has awaited."""
    result.close()
    return TypeError(
        f"{_view(ctx)} returned the coroutine of {result.__qualname__!r}, which nobody has awaited."
        " Did you forget `await`?"
    )


def from_other_response(app: Quart, other: SansioResponse) -> Response:
    """Make a response of the application's class from Werkzeug's, Flask's or another one."""
    body: Any = getattr(other, "response", None)
    if isinstance(other, WSGIResponse):
        body = other.response if other.is_streamed else b"".join(other.iter_encoded())
    response = app.response_class(body, status=other.status, headers=other.headers)
    # Do not register its `close`: the new response closes the body.
    for func in getattr(other, "_on_close", None) or ():
        response.call_on_close(func)
    return response


def _view(ctx: AppContext | None) -> str:
    connected = None if ctx is None else ctx.connected
    endpoint = None if connected is None else connected.connection.endpoint  # type: ignore[union-attr]  # it has one
    return "The value given" if endpoint is None else f"The view function for {endpoint!r}"
