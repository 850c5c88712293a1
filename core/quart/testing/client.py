"""The client that sends requests to an app in tests, without a server."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import Message
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, cast, Self, TYPE_CHECKING, Unpack
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import Request as URLRequest

from werkzeug.datastructures import Authorization as Authorization, Headers
from werkzeug.http import dump_cookie
from werkzeug.test import ClientRedirectError

from ..datastructures import FileStorage as FileStorage
from ..globals import _cv_app as _cv_app
from ..sessions import SessionMixin
from ..typing import TestHTTPConnectionProtocol, TestWebsocketConnectionProtocol
from ..wrappers import Response
from .connections import TestHTTPConnection, TestWebsocketConnection
from .utils import (
    AuthInput,
    BodyOptions,
    ConnectionOptions,
    HeadersInput,
    make_test_body_with_headers as make_test_body_with_headers,
    make_test_headers_path_and_query_string as make_test_headers_path_and_query_string,
    make_test_scope as make_test_scope,
    QueryInput,
    RequestSpec,
    sentinel,
)

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

#: A longer chain of redirects counts as a loop.
MAX_REDIRECTS = 20
REDIRECTS = frozenset({301, 302, 303, 305, 307, 308})
#: Statuses of redirects that repeat the request; others continue with a GET.
REPEATING_REDIRECTS = frozenset({307, 308})


class _CookieAnswer:
    """A response's headers in the shape that Python's cookie jar reads."""

    def __init__(self, headers: Headers) -> None:
        self._message = Message()
        for value in headers.getlist("Set-Cookie"):
            self._message["Set-Cookie"] = value

    def info(self) -> Message:
        return self._message


class QuartClient:
    """Makes requests and opens websockets, keeping the cookies that the app sets.

    An exception that the app lets through (any, with ``TESTING`` or ``PROPAGATE_EXCEPTIONS``) is
    raised by the method that made the request. In an ``async with client:`` block the context of
    the last request stays available to the test, for ``request``, ``g`` and ``session``.
    """

    http_connection_class: type[TestHTTPConnectionProtocol] = TestHTTPConnection
    websocket_connection_class: type[TestWebsocketConnectionProtocol] = TestWebsocketConnection

    def __init__(self, app: Quart, use_cookies: bool = True) -> None:
        self.app = app
        self.cookie_jar: CookieJar | None = _make_cookie_jar() if use_cookies else None
        self.preserve_context = False
        #: The path and the headers of each push promise of the last request.
        self.push_promises: list[tuple[str, Headers]] = []
        self._preserved = AsyncExitStack()
        self._kept: AppContext | None = None

    async def open(
        self,
        path: str,
        *,
        method: str = "GET",
        follow_redirects: bool = False,
        **options: Unpack[BodyOptions],
    ) -> Response:
        """Make a request and return its response, with the whole body.

        - *path*: A path with an optional query string, or an absolute URL.
        - *follow_redirects*: Return the response at the end of the redirects.
        - *options*: ``headers``, ``query_string``, ``auth`` (a pair of username and password,
          or an ``Authorization``), ``subdomain``, ``scheme``, ``root_path``, ``http_version``,
          ``scope_base`` (entries of the ASGI scope); and for the body one of ``data``, ``json``
          and ``form``/``files``.
        """
        await self._preserved.aclose()
        self.push_promises = []
        self._kept = None
        spec = RequestSpec(path, method, **options)
        response = await self._send(spec)
        redirects = 0
        while follow_redirects and _is_redirect(response):
            redirects += 1
            if redirects > MAX_REDIRECTS:
                raise ClientRedirectError(
                    f"Expected the redirects from {path!r} to end, got over {MAX_REDIRECTS}. Look"
                    " for a loop in them."
                )
            spec = self._redirected(spec, response)
            response = await self._send(spec)
        if self._kept is not None:
            await self._preserved.enter_async_context(self._kept)
        return response

    def request(
        self, path: str, *, method: str = "GET", **options: Unpack[ConnectionOptions]
    ) -> TestHTTPConnectionProtocol:
        """Return a connection, to send the body and receive the response piece by piece.

        Use it with ``async with``. The options are those of :meth:`open`, without
        the ones for the body.
        """
        spec = RequestSpec(path, method, **options)
        headers, path, query_string = spec.head(self.app)
        url = self._add_cookies(spec, headers, path)
        scope = spec.scope("http", path, headers, query_string)
        connection = self.http_connection_class(self.app, scope)  # type: ignore[arg-type]
        self._keep_cookies_of(connection, url)
        return connection

    def websocket(
        self,
        path: str,
        *,
        subprotocols: list[str] | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> TestWebsocketConnectionProtocol:
        """Return a websocket, for ``async with``. Options are those of :meth:`request`."""
        options.setdefault("scheme", "ws")
        spec = RequestSpec(path, subprotocols=subprotocols, **options)
        headers, path, query_string = spec.head(self.app)
        url = self._add_cookies(spec, headers, path)
        scope = spec.scope("websocket", path, headers, query_string)
        connection = self.websocket_connection_class(self.app, scope)  # type: ignore[arg-type]
        self._keep_cookies_of(connection, url)
        return connection

    async def delete(self, *args: Any, **kwargs: Any) -> Response:
        """Make a DELETE request; arguments as for :meth:`open`."""
        return await self.open(*args, method="DELETE", **kwargs)

    async def get(self, *args: Any, **kwargs: Any) -> Response:
        """Make a GET request; arguments as for :meth:`open`."""
        return await self.open(*args, method="GET", **kwargs)

    async def head(self, *args: Any, **kwargs: Any) -> Response:
        """Make a HEAD request; arguments as for :meth:`open`."""
        return await self.open(*args, method="HEAD", **kwargs)

    async def options(self, *args: Any, **kwargs: Any) -> Response:
        """Make an OPTIONS request; arguments as for :meth:`open`."""
        return await self.open(*args, method="OPTIONS", **kwargs)

    async def patch(self, *args: Any, **kwargs: Any) -> Response:
        """Make a PATCH request; arguments as for :meth:`open`."""
        return await self.open(*args, method="PATCH", **kwargs)

    async def post(self, *args: Any, **kwargs: Any) -> Response:
        """Make a POST request; arguments as for :meth:`open`."""
        return await self.open(*args, method="POST", **kwargs)

    async def put(self, *args: Any, **kwargs: Any) -> Response:
        """Make a PUT request; arguments as for :meth:`open`."""
        return await self.open(*args, method="PUT", **kwargs)

    async def trace(self, *args: Any, **kwargs: Any) -> Response:
        """Make a TRACE request; arguments as for :meth:`open`."""
        return await self.open(*args, method="TRACE", **kwargs)

    def set_cookie(
        self,
        server_name: str | None,
        key: str,
        value: str = "",
        max_age: int | timedelta | None = None,
        expires: int | float | datetime | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
    ) -> None:
        """Keep a cookie as if *server_name* had set it; None means the host of plain paths."""
        if server_name is None:
            server_name = RequestSpec(path).head(self.app)[0]["Host"]
        cookie = dump_cookie(
            key, value, max_age, expires, path, domain, secure, httponly, samesite=samesite
        )
        self._store_cookies(f"http://{server_name}{path}", Headers({"Set-Cookie": cookie}))

    def delete_cookie(
        self, server_name: str | None, key: str, path: str = "/", domain: str | None = None
    ) -> None:
        """Forget a cookie."""
        self.set_cookie(server_name, key, max_age=0, expires=0, path=path, domain=domain)

    @asynccontextmanager
    async def session_transaction(
        self, path: str = "/", *, method: str = "GET", **options: Any
    ) -> AsyncIterator[SessionMixin]:
        """Open the session that the next request would see, and save it at the end of the block.

        The options are those of ``app.test_request_context``. The current context inside the block
        is the same as outside of it.
        """
        spec = RequestSpec(path, method, headers=options.pop("headers", None))
        spec.scheme = options.get("scheme", spec.scheme)
        headers, url_path, _ = spec.head(self.app)
        url = self._add_cookies(spec, headers, url_path, required=True)
        ctx = self.app.test_request_context(path, method=method, headers=headers, **options)
        interface = self.app.session_interface
        async with ctx:
            session = await _maybe(interface.open_session(self.app, ctx.request))
        if session is None:
            raise RuntimeError(
                "Expected the session interface to open a session, got None. Is SECRET_KEY set?"
            )
        yield session
        if interface.is_null_session(session):
            return
        response = self.app.response_class(b"")
        async with ctx:
            await _maybe(interface.save_session(self.app, session, response))
        self._store_cookies(url, response.headers)

    async def __aenter__(self) -> Self:
        if self.preserve_context:
            raise RuntimeError(
                "Expected a client outside of 'async with', got one inside. Make a second client,"
                " as client blocks do not nest."
            )
        self.preserve_context = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.preserve_context = False
        await self._preserved.aclose()

    async def _send(self, spec: RequestSpec) -> Response:
        return await self._make_request(
            spec.path,
            spec.method,
            spec.headers,
            spec.data,
            spec.form,
            spec.files,
            spec.query_string,
            spec.json,
            spec.scheme,
            spec.root_path,
            spec.http_version,
            spec.scope_base,
            spec.auth,
            spec.subdomain,
        )

    async def _make_request(
        self,
        path: str,
        method: str,
        headers: HeadersInput | None,
        data: str | bytes | None,
        form: Mapping[str, object] | None,
        files: Mapping[str, object] | None,
        query_string: QueryInput | None,
        json: object,
        scheme: str,
        root_path: str,
        http_version: str,
        scope_base: dict[str, Any] | None,
        auth: AuthInput | None = None,
        subdomain: str | None = None,
    ) -> Response:
        """Make one request without following redirects; a subclass may change what is sent."""
        spec = RequestSpec(
            path,
            method,
            headers,
            data,
            form,
            files,
            query_string,
            json,
            scheme,
            root_path,
            http_version,
            scope_base,
            auth,
            subdomain,
        )
        return await self._exchange(spec)

    async def _exchange(self, spec: RequestSpec) -> Response:
        headers, path, query_string = spec.head(self.app)
        body, body_headers = spec.body(self.app)
        spec.describe_body(headers, body, body_headers)
        url = self._add_cookies(spec, headers, path)
        preserve = self._keep if self.preserve_context else None
        scope = spec.scope("http", path, headers, query_string, preserve)
        connection = self.http_connection_class(
            self.app,
            scope,  # type: ignore[arg-type]
            _preserve_context=self.preserve_context,
        )
        async with connection:
            await connection.send(body)
            await connection.send_complete()
        response = await connection.as_response()
        self._store_cookies(url, response.headers)
        self.push_promises.extend(connection.push_promises)
        return response

    def _keep(self, ctx: AppContext) -> None:
        self._kept = ctx

    def _redirected(self, spec: RequestSpec, response: Response) -> RequestSpec:
        headers, path, _ = spec.head(self.app)
        url = _url_of(spec, headers, path)
        location = urljoin(url, response.headers["Location"])
        self._check_internal(url, location)
        headers = Headers(spec.headers)
        headers.remove("Host")
        spec = replace(spec, path=location, headers=headers, query_string=None, subdomain=None)
        if response.status_code in REPEATING_REDIRECTS:
            return spec
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
            headers.remove(name)
        method = "HEAD" if spec.method == "HEAD" else "GET"
        return replace(spec, method=method, data=None, form=None, files=None, json=sentinel)

    def _check_internal(self, url: str, location: str) -> None:
        target = urlsplit(location).hostname or ""
        known = [urlsplit(url).hostname, (self.app.config["SERVER_NAME"] or "").partition(":")[0]]
        if not any(name and f".{target}".endswith(f".{name}") for name in known):
            raise RuntimeError(
                f"Expected a redirect within the app, got one to {location!r}. Make the request"
                " without follow_redirects and look at its Location."
            )

    def _add_cookies(
        self, spec: RequestSpec, headers: Headers, path: str, required: bool = False
    ) -> str:
        url = _url_of(spec, headers, path)
        if self.cookie_jar is not None:
            request = URLRequest(url)
            self.cookie_jar.add_cookie_header(request)
            if (cookies := request.get_header("Cookie")) is not None:
                headers.add("Cookie", cookies)
        elif required:
            raise RuntimeError(
                "Expected a client with cookies, got use_cookies=False. Leave that out, as the"
                " session is in a cookie."
            )
        return url

    def _store_cookies(self, url: str, headers: Headers) -> None:
        if self.cookie_jar is not None:
            answer = cast(Any, _CookieAnswer(headers))
            self.cookie_jar.extract_cookies(answer, URLRequest(url))

    def _keep_cookies_of(self, connection: object, url: str) -> None:
        if isinstance(connection, (TestHTTPConnection, TestWebsocketConnection)):
            connection.on_headers = partial(self._store_cookies, url)


def _make_cookie_jar() -> CookieJar:
    # A test uses plain HTTP, but wants to see cookies that are set for HTTPS.
    return CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https", "ws", "wss")))


def _url_of(spec: RequestSpec, headers: Headers, path: str) -> str:
    return f"{spec.scheme}://{headers['Host']}{quote(path)}"


def _is_redirect(response: Response) -> bool:
    return response.status_code in REDIRECTS and "Location" in response.headers


async def _maybe(value: object) -> Any:
    return await value if inspect.isawaitable(value) else value
