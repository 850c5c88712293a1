"""Aliases for annotations in applications and extensions."""

from __future__ import annotations

import os
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from importlib import import_module
from typing import Any, Protocol, TYPE_CHECKING, TypeVar, Union

from ._types import Function

if TYPE_CHECKING:
    from hypercorn.typing import (
        ASGIReceiveCallable as ASGIReceiveCallable,
        ASGISendCallable as ASGISendCallable,
        HTTPScope as HTTPScope,
        LifespanScope as LifespanScope,
        WebsocketScope as WebsocketScope,
    )
    from werkzeug.datastructures import Headers
    from werkzeug.wrappers import Response as WerkzeugResponse

    from .asgi import (
        ASGIHTTPConnection as ASGIHTTPProtocol,
        ASGILifespan as ASGILifespanProtocol,
        ASGIWebsocketConnection as ASGIWebsocketProtocol,
    )
    from .datastructures import FileStorage as FileStorage
    from .testing import QuartClient as TestClientProtocol
    from .testing.app import TestApp as TestAppProtocol
    from .testing.connections import (
        TestHTTPConnection as TestHTTPConnectionProtocol,
        TestWebsocketConnection as TestWebsocketConnectionProtocol,
    )
    from .wrappers.response import Response

__all__ = [
    "ASGIHTTPProtocol",
    "ASGILifespanProtocol",
    "ASGIReceiveCallable",
    "ASGISendCallable",
    "ASGIWebsocketProtocol",
    "AfterRequestCallable",
    "AfterServingCallable",
    "AfterWebsocketCallable",
    "AppOrBlueprintKey",
    "BeforeRequestCallable",
    "BeforeServingCallable",
    "BeforeWebsocketCallable",
    "ErrorHandlerCallable",
    "Event",
    "FilePath",
    "HeaderName",
    "HeaderValue",
    "HeadersValue",
    "ResponseReturnValue",
    "ResponseTypes",
    "ResponseValue",
    "RouteCallable",
    "ShellContextProcessorCallable",
    "StatusCode",
    "TeardownCallable",
    "TemplateContextProcessorCallable",
    "TemplateFilterCallable",
    "TemplateGlobalCallable",
    "TemplateTestCallable",
    "TestAppProtocol",
    "TestClientProtocol",
    "TestHTTPConnectionProtocol",
    "TestWebsocketConnectionProtocol",
    "URLDefaultCallable",
    "URLValuePreprocessorCallable",
    "WebsocketCallable",
    "WhileServingCallable",
]

T = TypeVar("T")
_OrAwaitable = Union[T, Awaitable[T]]  # noqa: UP007  # `T | Awaitable[T]` cannot be subscripted

FilePath = bytes | str | os.PathLike[str]

# The return values of views.
ResponseTypes = Union["Response", "WerkzeugResponse"]
ResponseValue = Union[
    "Response",
    "WerkzeugResponse",
    bytes,
    str,
    Mapping[str, Any],
    list[Any],
    Iterator[bytes],
    Iterator[str],
    AsyncIterable[bytes],
    AsyncIterable[str],
]
StatusCode = int
HeaderName = str
HeaderValue = str | list[str] | tuple[str, ...]
HeadersValue = Union[
    "Headers", Mapping[HeaderName, HeaderValue], Sequence[tuple[HeaderName, HeaderValue]]
]
ResponseReturnValue = Union[  # noqa: UP007  # a string within it does not know `|`
    ResponseValue,
    tuple[ResponseValue, HeadersValue],
    tuple[ResponseValue, StatusCode],
    tuple[ResponseValue, StatusCode, HeadersValue],
]

# Functions that you can register. Each may be plain or async.
AppOrBlueprintKey = str | None
BeforeRequestCallable = (
    Callable[[], ResponseReturnValue | None] | Callable[[], Awaitable[ResponseReturnValue | None]]
)
BeforeWebsocketCallable = BeforeRequestCallable
AfterRequestCallable = Callable[[Any], ResponseTypes] | Callable[[Any], Awaitable[ResponseTypes]]
AfterWebsocketCallable = (
    Callable[[Any], ResponseTypes | None] | Callable[[Any], Awaitable[ResponseTypes | None]]
)
TeardownCallable = (
    Callable[[BaseException | None], None] | Callable[[BaseException | None], Awaitable[None]]
)
ErrorHandlerCallable = (
    Callable[[Any], ResponseReturnValue] | Callable[[Any], Awaitable[ResponseReturnValue]]
)
BeforeServingCallable = Callable[[], None] | Callable[[], Awaitable[None]]
AfterServingCallable = BeforeServingCallable
WhileServingCallable = Callable[[], AsyncIterator[None]]
ShellContextProcessorCallable = Callable[[], dict[str, Any]]
TemplateContextProcessorCallable = (
    Callable[[], dict[str, Any]] | Callable[[], Awaitable[dict[str, Any]]]
)
TemplateFilterCallable = Function
TemplateGlobalCallable = Function
TemplateTestCallable = Callable[..., bool]
URLDefaultCallable = Callable[[str, dict[str, Any]], None]
URLValuePreprocessorCallable = Callable[[str | None, dict[str, Any] | None], None]
RouteCallable = Callable[..., ResponseReturnValue] | Callable[..., Awaitable[ResponseReturnValue]]
WebsocketCallable = (
    Callable[..., ResponseReturnValue | None] | Callable[..., Awaitable[ResponseReturnValue | None]]
)


class Event(Protocol):
    """The common part of `asyncio.Event` and `trio.Event`."""

    def set(self) -> Any: ...
    def is_set(self) -> bool: ...
    async def wait(self) -> Any: ...


# If a type has only one implementation, it is that class. Other modules import this one, so the
# classes are looked up on access.
_CLASSES = {
    "ASGIHTTPProtocol": ("quart.asgi", "ASGIHTTPConnection"),
    "ASGILifespanProtocol": ("quart.asgi", "ASGILifespan"),
    "ASGIReceiveCallable": ("hypercorn.typing", "ASGIReceiveCallable"),
    "ASGISendCallable": ("hypercorn.typing", "ASGISendCallable"),
    "ASGIWebsocketProtocol": ("quart.asgi", "ASGIWebsocketConnection"),
    "FileStorage": ("quart.datastructures", "FileStorage"),
    "HTTPScope": ("hypercorn.typing", "HTTPScope"),
    "LifespanScope": ("hypercorn.typing", "LifespanScope"),
    "TestAppProtocol": ("quart.testing.app", "TestApp"),
    "TestClientProtocol": ("quart.testing", "QuartClient"),
    "TestHTTPConnectionProtocol": ("quart.testing.connections", "TestHTTPConnection"),
    "TestWebsocketConnectionProtocol": ("quart.testing.connections", "TestWebsocketConnection"),
    "WebsocketScope": ("hypercorn.typing", "WebsocketScope"),
}


# To a type checker, a module with a `__getattr__` has every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _CLASSES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _CLASSES[name]
        # A module that is being imported may need the name only for annotations.
        return getattr(import_module(module), attribute, Any)
