"""The common part of requests and websockets: the handshake, and the match of the URL."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, TYPE_CHECKING

from werkzeug.datastructures import Headers as Headers
from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import parse_options_header
from werkzeug.sansio.request import Request as SansIORequest
from werkzeug.sansio.utils import get_host

from .. import json
from .._flask import split_blueprint_path
from .._formats.caching import kept
from .._formats.headers import first_value, values_of

if TYPE_CHECKING:
    from hypercorn.typing import WWWScope as WWWScope
    from werkzeug.exceptions import HTTPException
    from werkzeug.wrappers.response import Response as WSGIResponse

    from .._connection.inbound import Inbound
    from ..routing import QuartRule


class ClientDisconnectedError(ClientDisconnected, asyncio.CancelledError):
    """The client has gone: nothing more can be read from it or sent to it.

    For a websocket, `close_code` and `reason` are what the client closed with. As an HTTP exception
    (400) it ends a view quietly when nobody catches it. It is a `CancelledError` too, because a
    handler for Quart catches that to clean up, whatever it awaits when the client goes.
    """

    description = "The client disconnected before it had sent, or been sent, everything."

    def __init__(
        self,
        description: str | None = None,
        response: WSGIResponse | None = None,
        *,
        close_code: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(description, response)
        self.close_code = close_code
        self.reason = reason


def only_says_gone(error: Exception) -> bool:
    """Whether *error* says only that the client has left."""
    if isinstance(error, ExceptionGroup):  # From a task group in the handler.
        return error.split(ClientDisconnectedError)[1] is None
    return isinstance(error, ClientDisconnectedError)


# Clients send few different names. Cost: "host" in docs/performance.md.
@kept(256)
def _known_host(header: str | None, scheme: str, server: tuple[str, int | None] | None) -> str:
    return get_host(scheme, header, server)


# Clients send few different types. Cost: "media type" in docs/performance.md.
@kept(64)
def _mimetype(content_type: str) -> str:
    return parse_options_header(content_type)[0].lower()


class BaseRequestWebsocket(SansIORequest):
    """The handshake of a connection, and the rule that its URL matched."""

    # No defaults for attributes that every request reads. Cost: "attribute" in docs/performance.md.

    json_module: Any = json
    #: Whether this is a websocket's handshake. The scheme cannot tell, as a proxy may set it.
    is_websocket: ClassVar[bool] = False
    #: The `remote_addr` for clients without an address: on a Unix socket, or in a test.
    no_address: ClassVar[str | None] = "<local>"
    #: The module to name in warnings.
    warns_as: ClassVar[str] = "quart.app"
    #: The error if the URL did not match.
    routing_exception: HTTPException | None
    url_rule: QuartRule | None
    #: The view's keyword arguments; None before the URL has matched.
    view_args: dict[str, Any] | None
    #: The source of the client's messages, beneath a server.
    _inbound: Inbound | None = None
    #: Whether a form was parsed, so that there may be files to close.
    may_have_files: bool

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        query_string: bytes,
        headers: Headers,
        root_path: str,
        http_version: str,
        scope: WWWScope,
    ) -> None:
        self.routing_exception = self.url_rule = self.view_args = None
        self.may_have_files = False
        # As Werkzeug's constructor, written out. Cost: "constructor" in docs/performance.md.
        self.method = method.upper()
        self.scheme = scheme
        self.server = scope.get("server")
        self.root_path = root_path.rstrip("/") if root_path else ""
        if len(path) - len(rest := path.lstrip("/")) != 1:
            path = "/" + rest
        self.path = path
        self.query_string = query_string
        self.headers = headers
        client = scope.get("client")
        # Never read this from a header, as a client may send any header.
        self.remote_addr = client[0] if client else self.no_address
        self.http_version = http_version
        self.scope = scope

    # Kept where Werkzeug's `cached_property` keeps it, for both faces. Werkzeug's is slower, and
    # each request checks whether somebody has replaced this one.
    @property
    def host(self) -> str:
        """The host that the request was made to, with the port unless it is the usual one.

        Raises:
            SecurityError: if it is not one of `trusted_hosts`.
        """
        host: str | None = self.__dict__.get("host")
        if host is None:
            host = self.__dict__["host"] = self._find_host()
        return host

    @host.setter
    def host(self, value: str) -> None:
        self.__dict__["host"] = value

    @host.deleter
    def host(self) -> None:
        del self.__dict__["host"]

    def _find_host(self) -> str:
        server, hosts = self.server, self.trusted_hosts
        if hosts is not None:
            # Check all hosts that are named, since a proxy may use another one than the first.
            names = values_of(self.headers, b"host") or self.headers.getlist("host")
            return get_host(self.scheme, ",".join(names) if names else None, server, hosts)
        if not isinstance(server, tuple):
            return get_host(self.scheme, self.headers.get("host"), server)
        return _known_host(self.headers.get("host"), self.scheme, server)

    @property
    def mimetype(self) -> str:
        """The content type without its parameters, in lower case; empty if there is none."""
        value = first_value(self.headers, b"content-type")
        return _mimetype(self.headers.get("content-type", "") if value is None else value)

    @property
    def endpoint(self) -> str | None:
        """The endpoint that the URL matched; None if there is none."""
        rule = self.url_rule
        return None if rule is None else rule.endpoint

    @property
    def blueprint(self) -> str | None:
        """The registered name of the endpoint's blueprint; None if it is in none."""
        endpoint = self.endpoint
        if endpoint is None or "." not in endpoint:
            return None
        return endpoint.rpartition(".")[0]

    @property
    def blueprints(self) -> list[str]:
        """The registered names of the endpoint's blueprint and of its parents, innermost first."""
        name = self.blueprint
        return [] if name is None else split_blueprint_path(name)

    @property
    def script_root(self) -> str:
        """Another name for `root_path`."""
        return self.root_path

    @property
    def url_root(self) -> str:
        """Another name for `root_url`."""
        return self.root_url


# To a type checker, a module with a `__getattr__` has every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # For annotations only: it comes with a server and all of its protocols.
        if name == "WWWScope":
            from hypercorn.typing import WWWScope

            return WWWScope
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
