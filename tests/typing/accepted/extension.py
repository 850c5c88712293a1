"""What extensions do: subclass, replace the application's classes, and keep state on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from quart import Blueprint, current_app, g, jsonify, Quart, Request, Response, Websocket
from quart.json.provider import DefaultJSONProvider
from quart.sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMixin,
)
from quart.testing import QuartClient
from quart.typing import (
    AfterRequestCallable,
    ASGIReceiveCallable,
    ASGISendCallable,
    BeforeRequestCallable,
    ErrorHandlerCallable,
    FilePath,
    ResponseReturnValue,
    ResponseTypes,
    RouteCallable,
    StatusCode,
    TeardownCallable,
    WebsocketCallable,
)
from quart.wrappers import BaseRequestWebsocket

P = ParamSpec("P")
T = TypeVar("T")


class OwnRequest(Request):
    @property
    def user(self) -> str | None:
        return self.headers.get("X-User")

    def on_json_loading_failed(self, error: Exception | None) -> Any:
        return None


class OwnResponse(Response):
    default_mimetype = "application/json"


class OwnWebsocket(Websocket):
    async def send_number(self, number: int) -> None:
        await self.send(str(number))


class OwnProvider(DefaultJSONProvider):
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs)


class StoredSession(SecureCookieSession):
    sid: str = ""


class StoredSessions(SessionInterface):
    session_class = StoredSession

    async def open_session(self, app: Quart, request: BaseRequestWebsocket) -> StoredSession | None:
        sid = request.cookies.get(self.get_cookie_name(app))
        return None if sid is None else self.session_class({"sid": sid})

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        if response is not None and self.should_set_cookie(app, session):
            response.set_cookie(
                self.get_cookie_name(app),
                "sid",
                domain=self.get_cookie_domain(app),
                expires=self.get_expiration_time(app, session),
            )


class HalfCookie(SecureCookieSessionInterface):
    salt = "half"

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        return await super().open_session(app, request)


class OwnClient(QuartClient):
    async def log_in(self, name: str) -> Response:
        return await self.post("/login", json={"name": name})


class OwnApp(Quart):
    request_class = OwnRequest
    response_class = OwnResponse
    websocket_class = OwnWebsocket
    json_provider_class = OwnProvider
    session_interface = StoredSessions()
    test_client_class = OwnClient

    async def make_response(self, result: Any) -> Response:
        return await super().make_response(result)

    async def handle_http_exception(
        self, error: HTTPException
    ) -> HTTPException | ResponseReturnValue:
        return {"error": error.name}, error.code or 500

    async def preprocess_request(self) -> ResponseReturnValue | None:
        return await super().preprocess_request()

    async def dispatch_request(self) -> ResponseReturnValue:
        return await super().dispatch_request()


class Extension:
    def __init__(self, app: Quart | None = None) -> None:
        self.blueprint = Blueprint("extension", __name__)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        app.extensions["extension"] = self
        app.config.setdefault("EXTENSION_LIMIT", 10)
        app.before_request(self.before)
        app.after_request(self.after)
        app.teardown_request(self.teardown)
        app.before_websocket(self.before)
        app.before_serving(self.start)
        app.after_serving(self.stop)
        app.register_error_handler(404, self.missing)
        app.register_blueprint(self.blueprint)
        app.add_url_rule("/extension", "extension", self.view)
        app.add_websocket("/extension/feed", "feed", self.feed)
        app.asgi_app = Middleware(app.asgi_app)  # type: ignore[method-assign]

    async def before(self) -> None:
        g.extension = self

    async def after(self, response: Response) -> Response:
        return response

    async def teardown(self, error: BaseException | None) -> None: ...

    async def start(self) -> None: ...

    def stop(self) -> None: ...

    async def missing(self, error: Exception) -> ResponseReturnValue:
        response = jsonify(error="missing")
        response.status_code = 404
        return response

    async def view(self) -> str:
        return "extension"

    async def feed(self) -> None: ...


class Middleware:
    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(
        self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        await self.app(scope, receive, send)


def login_required(func: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @wraps(func)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return await current_app.ensure_async(func)(*args, **kwargs)

    return wrapper


def with_number(
    func: Callable[Concatenate[int, P], Awaitable[ResponseReturnValue]],
) -> Callable[P, Awaitable[ResponseReturnValue]]:
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        return await func(1, *args, **kwargs)

    return wrapper


app = OwnApp(__name__)
Extension(app)


@app.get("/member")
@login_required
async def member() -> str:
    return "member"


@app.get("/numbered")
@with_number
async def numbered(number: int) -> ResponseReturnValue:
    return {"number": number}, StatusCode(200)


def register(
    before: BeforeRequestCallable,
    after: AfterRequestCallable,
    teardown: TeardownCallable,
    view: RouteCallable,
    handler: ErrorHandlerCallable,
    feed: WebsocketCallable,
) -> None:
    app.before_request(before)
    app.after_request(after)
    app.teardown_request(teardown)
    app.add_url_rule("/registered", view_func=view)
    app.register_error_handler(ValueError, handler)
    app.add_websocket("/registered/feed", view_func=feed)


async def size(path: FilePath, made: ResponseTypes) -> int:
    async with await app.open_resource(path, "rb") as file:
        return len(await file.read()) + made.status_code
