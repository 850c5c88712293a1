"""What the layer adds to Flask's classes, as type checkers are to see it; nothing imports it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, overload, TypeVar

from flask.app import Flask as GenuineFlask
from flask.blueprints import Blueprint as GenuineBlueprint

from quart._types import Environ, Receive, Scope, Send, StartResponse
from quart.typing import (
    AfterServingCallable,
    AfterWebsocketCallable,
    BeforeServingCallable,
    BeforeWebsocketCallable,
    TeardownCallable,
    WebsocketCallable,
    WhileServingCallable,
)

T_after_serving = TypeVar("T_after_serving", bound=AfterServingCallable)
T_after_websocket = TypeVar("T_after_websocket", bound=AfterWebsocketCallable)
T_before_serving = TypeVar("T_before_serving", bound=BeforeServingCallable)
T_before_websocket = TypeVar("T_before_websocket", bound=BeforeWebsocketCallable)
T_teardown = TypeVar("T_teardown", bound=TeardownCallable)
T_websocket = TypeVar("T_websocket", bound=WebsocketCallable)
T_while_serving = TypeVar("T_while_serving", bound=WhileServingCallable)

class Websockets:
    """What an application and a blueprint have for websockets."""

    def websocket(self, rule: str, **options: Any) -> Callable[[T_websocket], T_websocket]: ...
    def add_websocket(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: WebsocketCallable | None = None,
        **options: Any,
    ) -> None: ...
    def before_websocket(self, func: T_before_websocket) -> T_before_websocket: ...
    def after_websocket(self, func: T_after_websocket) -> T_after_websocket: ...
    def teardown_websocket(self, func: T_teardown) -> T_teardown: ...

class Served(Websockets):
    """What an application has around being served."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...
    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None: ...
    def before_serving(self, func: T_before_serving) -> T_before_serving: ...
    def while_serving(self, func: T_while_serving) -> T_while_serving: ...
    def after_serving(self, func: T_after_serving) -> T_after_serving: ...
    def add_background_task(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None: ...
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...
    def _serves_http_at_once(self) -> bool: ...
    async def _serve_connection(self, scope: Any, receive: Any, send: Any) -> None: ...

class Registered(Websockets):
    """What a blueprint has beside that, for the application that it is registered on."""

    def before_app_serving(self, func: T_before_serving) -> T_before_serving: ...
    def while_app_serving(self, func: T_while_serving) -> T_while_serving: ...
    def after_app_serving(self, func: T_after_serving) -> T_after_serving: ...
    def before_app_websocket(self, func: T_before_websocket) -> T_before_websocket: ...
    def after_app_websocket(self, func: T_after_websocket) -> T_after_websocket: ...
    def teardown_app_websocket(self, func: T_teardown) -> T_teardown: ...

class Flask(Served, GenuineFlask):
    """Flask's application, all of it, and `Served`."""

    @overload
    def __call__(self, environ: Environ, start_response: StartResponse, /) -> Iterable[bytes]: ...
    @overload
    def __call__(
        self, scope: Scope, receive: Receive, send: Send
    ) -> Coroutine[object, object, None]: ...

class Blueprint(Registered, GenuineBlueprint):
    """Flask's blueprint, all of it, and `Registered`."""
