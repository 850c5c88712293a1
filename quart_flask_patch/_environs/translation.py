"""Translate between WSGI and ASGI: environs from scopes, scopes and requests from environs."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Mapping
from typing import Any, cast, TYPE_CHECKING
from urllib.parse import quote

from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from quart._connection.disclosure import SHOWN
from quart._connection.isolation import SHARED
from quart._connection.outbound import cannot_push
from quart._formats.target import http_scheme, NOWHERE, path_within_root
from quart._types import Environ, Function, Message, OwnScope, Receive, Scope
from quart.wrappers import Request as CoreRequest

from .._waiting import loop_thread
from .body_stream import BodyStream, BY_WSGI, stream_of
from .environ_headers import add_headers, add_raw_headers, ScopeHeaders
from .takeover import TAKEOVER

if TYPE_CHECKING:
    from quart.wrappers import Websocket

    from ..app import Flask

_ENVIRON = "quart_flask_patch.environ"
# Keys of ours, in a scope or in an environ.

#: In a scope: whether the request goes through the ASGI entry, in a task.
EXCHANGED = "quart_flask_patch.exchanged"
#: In a scope, if Flask's test client waits for the answer, which a server's loop makes: what is to
#: be given the request's context, or None.
FOR_CLIENT = "quart_flask_patch.for_client"
#: In an environ: the ASGI request that is on its way through WSGI middleware. In a scope: the
#: request that has come through, while the middleware waits for it.
PENDING = "quart_flask_patch.pending"
# Values of `AppContext.wanted_place`, by how the connection came: as a WSGI call, through WSGI
# middleware, or as a websocket. A websocket's plain view lasts long and waits, so it gets a thread.

CALLED = "called"
BEHIND_MIDDLEWARE = "behind middleware"
WEBSOCKET = "websocket"
#: In an environ: the request to which it belongs.
_ARRIVED = "quart_flask_patch.arrived"
_READ_SIZE = 64 * 1024


def _text(path: str) -> str:
    """Return *path* as PEP 3333 wants it: its UTF-8 bytes, decoded as latin-1."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


def environ_of(connection: CoreRequest | Websocket | Any) -> Environ:
    """Return the WSGI environ that *connection* came with, or make one from its scope."""
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
    """Return the stream of *request*'s body, or None if the body is not ours.

    It is not ours for a websocket's handshake, for a request that somebody has made from an
    environ, and for an environ whose ``wsgi.input`` was replaced.

    The stream applies the request's limits itself. Do not put Werkzeug's limited stream around it:
    that one rejects a body which is exactly as large as the limit.

    Raises:
        RequestEntityTooLarge: if the client announces a body that is larger than the limit.
    """
    scope, environ = request.__dict__.get("scope"), request.__dict__.get("environ")
    if scope is None or scope["type"] != "http":
        return None
    stream = stream_of(request)
    if environ is None and environ_given(scope) is not None:
        environ = request.environ
    if environ is not None and environ.get("wsgi.input") is not stream:
        return None
    limit = request.max_content_length
    if limit is not None and (length := request.content_length) is not None and length > limit:
        raise RequestEntityTooLarge
    return stream


def _takeover_of(scope: Scope) -> Any:
    return scope.get(TAKEOVER)


def _environ_from_scope(connection: Any) -> Environ:
    environ = _made_environ(
        connection.scope,
        connection.method,
        connection.scheme,
        connection.root_path,
        connection.path,
    )
    add_headers(environ, connection.__dict__["headers"])
    return environ


def environ_on_its_way(scope: Scope) -> tuple[Environ, bool]:
    """Return an environ for an HTTP *scope*, and whether its path is below the root path.

    The environ has no body yet: the request that is made from it brings that.
    """
    path = path_within_root(scope)
    root_path = (scope.get("root_path") or "").rstrip("/")
    environ = _made_environ(
        scope,
        scope["method"].upper(),
        http_scheme(scope),
        root_path,
        NOWHERE if path is None else path,
    )
    add_raw_headers(environ, scope["headers"])
    return environ, path is not None


def _made_environ(scope: Scope, method: str, scheme: str, root_path: str, path: str) -> Environ:
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    query = scope["query_string"].decode("latin-1")
    raw = (scope.get("raw_path") or quote(root_path + path).encode()).decode("latin-1")
    raw = f"{raw}?{query}" if query else raw
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": _text(root_path),
        "PATH_INFO": _text(path),
        "QUERY_STRING": query,
        "REQUEST_URI": raw,
        "RAW_URI": raw,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": {"ws": "http", "wss": "https"}.get(scheme, scheme),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if client[1]:  # A client on a Unix socket has no port.
        environ["REMOTE_PORT"] = str(client[1])
    return environ


def scope_of(environ: Environ) -> OwnScope:
    """Return an ASGI scope for the *environ* of a WSGI call; the Flask face uses that environ.

    This takes the pending request out of *environ*: its way through middleware ends here.
    """
    pending = environ.pop(PENDING, None)
    # The scope of the ASGI request, if this call came through middleware.
    original = environ.get("asgi.scope") or {}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "extensions": {},
        "quart.undisturbed": True,
        SHOWN: original.get(SHOWN),
        **({FOR_CLIENT: original[FOR_CLIENT]} if FOR_CLIENT in original else {}),
        SHARED: True,
        BY_WSGI: pending is None,
        PENDING: pending,
        **_of_environ(environ),
    }


def scope_behind(environ: Environ, scope: Scope) -> OwnScope:
    """Return *scope* with the changes that WSGI middleware has made in *environ*."""
    made = {**scope, **_of_environ(environ)}
    if scope["type"] == "websocket":
        del made["method"]
        made["headers"] = list(made["headers"])
        made["scheme"] = "wss" if made["scheme"] == "https" else "ws"
    return made


def _of_environ(environ: Environ) -> OwnScope:
    """Return the part of a scope that *environ* determines; its Flask face gets that environ."""
    root_path = _decoded(environ.get("SCRIPT_NAME", "")).rstrip("/")
    path = _decoded(environ.get("PATH_INFO", ""))
    if path and not path.startswith("/"):
        path = "/" + path  # Werkzeug's client sends what it is given, and Flask reads it so.
    path = root_path + path
    raw_path = environ.get("RAW_URI") or quote(path)
    name, address = environ.get("SERVER_NAME"), environ.get("REMOTE_ADDR")
    return {
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": path,
        "raw_path": raw_path.partition("?")[0].encode("latin-1"),
        "root_path": root_path,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": ScopeHeaders(environ),
        "server": (name, _port(environ.get("SERVER_PORT"))) if name else None,
        "client": (address, _port(environ.get("REMOTE_PORT")) or 0) if address else None,
        _ENVIRON: environ,
    }


def _port(port: Any) -> int | None:
    """Return *port* as a number; None if there is none, as on a Unix socket, or it is nonsense."""
    try:
        return int(port)
    except (TypeError, ValueError):
        return None


def _decoded(path: str) -> str:
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


def environ_given(scope: Scope) -> Environ | None:
    """Return the environ from which *scope* was made, if a WSGI call brought one."""
    return scope.get(_ENVIRON)


def forget_environ(scope: dict[str, object]) -> None:
    """Make *scope* look as if it was not made from an environ."""
    scope.pop(_ENVIRON, None)


def called_as_wsgi(scope: Scope) -> bool:
    """Whether a WSGI server, or Flask's test client, made this call."""
    return bool(scope.get(BY_WSGI))


def preserving(environ: Environ, scope: Mapping[str, object]) -> Function | None:
    """Return what a test client wants to be given the request's context; None if nothing."""
    preserve: Function | None = environ.get("werkzeug.debug.preserve_context")
    return cast("Function | None", scope.get(FOR_CLIENT)) if preserve is None else preserve


def caller_wants_errors(scope: Scope) -> bool:
    """Whether the caller, a debugger or Flask's client, wants exceptions raised in debug mode."""
    return called_as_wsgi(scope) or FOR_CLIENT in scope


def receive_of(scope: Scope) -> Receive:
    """Return ASGI's `receive` for the body: from the server, unless middleware replaced it."""
    environ, pending = scope[_ENVIRON], scope[PENDING]
    if pending is not None and environ.get("wsgi.input") is pending.stream:
        return cast(Receive, pending.receive)
    return _Input(environ).receive


def connection_of(app: Flask, environ: Environ) -> CoreRequest:
    """Return the async face of a request that a WSGI call brought as *environ*."""
    scope = scope_of(environ)
    request = connection_behind(app, scope)
    request.receive_from(receive_of(scope))
    return request


def connection_behind(
    app: Flask, scope: Scope, send_push_promise: Any = cannot_push
) -> CoreRequest:
    """Return the async face of a request whose *scope* was made from an environ."""
    environ = scope[_ENVIRON]
    return app._connection_class(
        scope["method"],
        scope["scheme"],
        _decoded(environ.get("PATH_INFO", "")) or "/",
        scope["query_string"],
        # As with Flask, changing the environ changes the headers.
        EnvironHeaders(environ),
        scope["root_path"],
        scope["http_version"],
        cast(Any, scope),
        body_timeout=app.config["BODY_TIMEOUT"],
        send_push_promise=send_push_promise,
    )


def announce_arrival(environ: Environ, request: CoreRequest) -> None:
    """Note in *environ* that it belongs to *request*; a context is about to be made from it."""
    environ[_ARRIVED] = request


def arrived(environ: Environ) -> CoreRequest | None:
    """Return the request that *environ* belongs to, updated with changes to the environ."""
    request: CoreRequest | None = environ.pop(_ARRIVED, None)
    if request is not None:
        made = scope_of(environ)
        request.method, request.scheme = made["method"], made["scheme"]
        request.path = _decoded(environ.get("PATH_INFO", "")) or "/"
        request.root_path, request.query_string = made["root_path"], made["query_string"]
        request.headers = EnvironHeaders(environ)
        request.scope[_ENVIRON] = environ  # type: ignore[literal-required]  # ours
    return request


class _Input:
    """A WSGI server's input as ASGI's `receive`."""

    _done = False

    def __init__(self, environ: Environ) -> None:
        # Take the stream now: ``wsgi.input`` will be the request's own, which reads from here.
        self._stream = get_input_stream(environ)

    async def receive(self) -> Message:
        if self._done:
            # A WSGI server never reports a disconnect, so this waits for ever.
            await asyncio.get_running_loop().create_future()
        body = await loop_thread.by_caller(self._read)
        self._done = not body
        return {"type": "http.request", "body": body, "more_body": not self._done}

    # Tells the pipeline not to give other tasks a turn here: there are none.
    receive.blocks = True  # type: ignore[attr-defined]  # functions take attributes

    def _read(self) -> bytes:
        return self._stream.read(_READ_SIZE)
