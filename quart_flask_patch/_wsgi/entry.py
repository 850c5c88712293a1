"""Between WSGI and ASGI: environs from scopes, scopes from environs, and the WSGI entry.

An application called as WSGI goes through its ASGI entry all the same, so there is one path for a
server of either kind and for the test client.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast, TYPE_CHECKING
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders, Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wsgi import get_input_stream

from quart._connection.disclosure import SHOWN
from quart._connection.entry import SHARED
from quart.asgi import headers_of
from quart.wrappers import Request as CoreRequest

from .._waiting import bridge, runner
from .body_stream import BodyStream, stream_of
from .environ_headers import add_headers
from .takeover import TAKEOVER

if TYPE_CHECKING:
    from quart.ctx import AppContext as CoreContext
    from quart.wrappers import Websocket

    from ..app import Flask

_ENVIRON = "quart_flask_patch.environ"
#: In an environ: the ASGI request that is on its way through WSGI middleware.
PENDING = "quart_flask_patch.pending"
_READ_SIZE = 64 * 1024


def _text(path: str) -> str:
    """Return *path* as PEP 3333 wants it: bytes in the shape of latin-1 text."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def environ_of(connection: CoreRequest | Websocket | Any) -> dict[str, Any]:
    """Return the WSGI environ of *connection*: the one it came with, or one made from its scope."""
    scope = connection.scope
    environ = environ_given(scope)
    if environ is None:
        environ = _environ_from_scope(connection)
    if scope["type"] == "http":
        environ["wsgi.input"] = stream_of(connection)
        environ["wsgi.input_terminated"] = True
    elif "werkzeug.socket" not in environ and (takeover := _takeover_of(scope)) is not None:
        environ["wsgi.input"] = io.BytesIO()
        takeover.offer(environ, scope.get("subprotocols") or [])
    return environ


def body_of(request: Any) -> BodyStream | None:
    """Return the stream of *request*'s body, None if it has none of ours.

    A websocket's handshake has none, nor a request that was made of an environ by itself, or whose
    environ has been given another.

    It keeps to the request's limits by itself. Werkzeug's own, around it, takes a body for too
    large that is as large as it may be.

    Raises:
        RequestEntityTooLarge: if the client says that the body is larger than it may be.
    """
    scope, environ = request.__dict__.get("scope"), request.__dict__.get("environ")
    if scope is None or scope["type"] != "http":
        return None
    stream = stream_of(request)
    if environ is None and environ_given(scope) is not None:
        environ = request.environ
    if environ is not None and environ.get("wsgi.input") is not stream:
        return None
    limit, length = request.max_content_length, request.content_length
    if limit is not None and length is not None and length > limit:
        raise RequestEntityTooLarge
    return stream


def _takeover_of(scope: Any) -> Any:
    return scope.get(TAKEOVER)


def _environ_from_scope(connection: Any) -> dict[str, Any]:
    scope = connection.scope
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    path, root_path = connection.path, connection.root_path
    environ: dict[str, Any] = {
        "REQUEST_METHOD": connection.method,
        "SCRIPT_NAME": _text(root_path),
        "PATH_INFO": _text(path),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": {"ws": "http", "wss": "https"}.get(connection.scheme, connection.scheme),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
    raw = (scope.get("raw_path") or quote(root_path + path).encode()).decode("latin-1")
    environ["REQUEST_URI"] = environ["RAW_URI"] = raw + query
    add_headers(environ, connection.__dict__["headers"])
    return environ


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Return an ASGI scope for a WSGI *environ*, which its Flask face will have as its environ."""
    root_path = _decoded(environ.get("SCRIPT_NAME", "")).rstrip("/")
    path = root_path + _decoded(environ.get("PATH_INFO", ""))
    # As it has come through middleware, if it was made from another scope.
    original = environ.get("asgi.scope") or {}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path,
        "raw_path": environ.get("RAW_URI", quote(path)).partition("?")[0].encode("latin-1"),
        "root_path": root_path,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), _header_bytes(str(value)))
            for name, value in EnvironHeaders(environ)
        ],
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
        "client": (environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT") or 0))
        if environ.get("REMOTE_ADDR")
        else None,
        "extensions": {},
        "quart.undisturbed": True,
        SHOWN: original.get(SHOWN),
        SHARED: True,
        _ENVIRON: environ,
    }


def websocket_scope_of(environ: dict[str, Any], scope: Any) -> dict[str, Any]:
    """Return the websocket's *scope* with what WSGI middleware has made of its *environ*."""
    made = scope_of(environ)
    names = ("path", "raw_path", "root_path", "query_string", "headers", "server", "client")
    scheme = "wss" if made["scheme"] == "https" else "ws"
    return {**scope, **{name: made[name] for name in names}, "scheme": scheme, _ENVIRON: environ}


def _context_face(core: Any) -> Any:
    from ..ctx import face_of

    return face_of(core)


def _header_bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        # Not from a server, which gives latin-1 only, but from a test.
        return value.encode()


def _decoded(path: str) -> str:
    return path.encode("latin-1").decode("utf-8", "replace")


def environ_given(scope: Any) -> dict[str, Any] | None:
    """Return the environ that a WSGI call came with, if the scope was made from one."""
    return scope.get(_ENVIRON)  # type: ignore[no-any-return]  # `cast` is a call


def called_as_wsgi(scope: Any) -> bool:
    """Whether a WSGI server, or Flask's test client, is what called."""
    environ = environ_given(scope)
    return environ is not None and PENDING not in environ


def _receive_of(environ: dict[str, Any]) -> Callable[[], Any]:
    """Return where the body comes from: the server, unless middleware put something before it."""
    pending = environ.get(PENDING)
    if pending is not None and environ.get("wsgi.input") is pending.stream:
        return cast("Callable[[], Any]", pending.receive)
    return _Input(environ).receive


def connection_of(app: Flask, environ: dict[str, Any]) -> CoreRequest:
    """Return the async face of a request that is there as a WSGI *environ*."""
    scope = scope_of(environ)
    request = app._connection_class(
        scope["method"],
        scope["scheme"],
        _decoded(environ.get("PATH_INFO", "")) or "/",
        scope["query_string"],
        # As Flask has it: who changes the environ changes the headers.
        EnvironHeaders(environ),
        scope["root_path"],
        scope["http_version"],
        cast(Any, scope),
        body_timeout=app.config["BODY_TIMEOUT"],
        send_push_promise=_no_push,
    )
    request.receive_from(_Input(environ).receive)
    return request


async def _no_push(path: str, headers: Headers) -> None:
    """A WSGI server cannot push."""


class _Input:
    """A WSGI server's input as ASGI's `receive`."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._stream = get_input_stream(environ)
        self._done = False

    async def receive(self) -> dict[str, Any]:
        if self._done:
            # A WSGI server does not tell of a disconnect.
            await asyncio.get_running_loop().create_future()
        body = self._stream.read(_READ_SIZE)
        self._done = not body
        return {"type": "http.request", "body": body, "more_body": not self._done}


class _Exchange:
    """One call of the ASGI entry by a WSGI server: its task, and what it has sent."""

    def __init__(
        self, app: Flask, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> None:
        self._app = app
        self._environ = environ
        self._start_response = start_response
        self._started = False
        self._scope = scope_of(environ)
        self._scope["quart.closing"] = self._closing
        self._receive = _receive_of(environ)
        # Found out here, where no task of ours has entered it.
        self._context = runner.caller_context()
        self._sent: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._wanted: asyncio.Event
        self._changed: asyncio.Event
        self.task: asyncio.Task[None] | None = None

    async def advance(self) -> bytes | None:
        """Return the next piece of the body, b"" if there is none yet; None at its end."""
        if self.task is None:
            self._wanted, self._changed = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()
            self.task = loop.create_task(self._run(), context=self._context)
        if not self._sent and not self.task.done():
            self._wanted.set()
            self._changed.clear()
            await self._changed.wait()
        if self._sent:
            return self._sent.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None if self.task.done() else b""

    async def _run(self) -> None:
        try:
            await self._app.asgi_app(
                cast(Any, self._scope), cast(Any, self._receive), cast(Any, self._send)
            )
        except BaseException as error:
            # Kept, so that even a KeyboardInterrupt reaches the caller, once, through `advance`.
            self._error = error
        finally:
            self._changed.set()

    def _closing(self, core: CoreContext, response: Any) -> None:
        """Start the response while the context is still there, as Flask does.

        Middleware that wraps `start_response` looks at it.
        """
        if response is not None:
            self._start(response.status, list(headers_of(core, response)))
        preserve = self._environ.get("werkzeug.debug.preserve_context")
        if preserve is not None:
            preserve(_context_face(core))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        if not self._started:
            self._started = True
            self._start_response(status, headers)

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            phrase = HTTP_STATUS_CODES.get(message["status"], "UNKNOWN").upper()
            headers = [
                (name.decode("latin-1").title(), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
            self._start(f"{message['status']} {phrase}", headers)
            if not any(name == b"content-length" for name, _ in message["headers"]):
                # It may be a stream: none of it is made before the caller has the head.
                await self._pause()
            return
        if message.get("body") or not message.get("more_body"):
            self._sent.append(message.get("body", b""))
        if message.get("more_body"):
            await self._pause()

    async def _pause(self) -> None:
        """Go on when the caller wants more."""
        self._wanted.clear()
        self._changed.set()
        await self._wanted.wait()

    async def cancel(self) -> None:
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])


class _Body:
    """The answer's body, for a WSGI server to iterate over and close."""

    def __init__(self, exchange: _Exchange, first: bytes | None) -> None:
        self._exchange = exchange
        self._first = first

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._first
        while chunk is not None:
            if chunk:
                yield chunk
            chunk = bridge.wait(self._exchange.advance())

    def close(self) -> None:
        task = self._exchange.task
        if task is not None and not task.done():
            bridge.wait(self._exchange.cancel())

    def __del__(self) -> None:
        # A test may drop a response unread, and a generator is closed then.
        task = self._exchange.task
        if task is None or task.done() or task.get_loop().is_closed():
            return
        if asyncio._get_running_loop() is None:
            self.close()
        else:
            task.get_loop().call_soon_threadsafe(task.cancel)


def wsgi_app(app: Flask, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """Answer a WSGI call through the ASGI entry."""
    pending = environ.get(PENDING)
    if pending is not None and pending.is_websocket:
        return pending.passed_through(app, environ, start_response)
    exchange = _Exchange(app, environ, start_response)
    try:
        first = bridge.wait(exchange.advance())
    except BaseException:
        bridge.wait(exchange.cancel())
        raise
    return _Body(exchange, first)
