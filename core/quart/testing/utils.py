"""Make an ASGI scope and a body from a test's keywords."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, Literal, overload, TYPE_CHECKING, TypeAlias, TypedDict
from urllib.parse import unquote, urlencode, urlsplit

from hypercorn.typing import HTTPScope, Scope, WebsocketScope
from werkzeug.datastructures import Authorization, Headers, iter_multi_items, MultiDict

# The multipart names are unused here, as werkzeug.test.encode_multipart writes the parts. They stay
# importable for code written for earlier releases.
from werkzeug.sansio.multipart import (
    Data as Data,
    Epilogue as Epilogue,
    Field as Field,
    File as File,
    MultipartEncoder as MultipartEncoder,
    Preamble as Preamble,
)
from werkzeug.test import encode_multipart
from werkzeug.urls import iri_to_uri

from .._connection.disclosure import SHOWN, VARIABLES
from .._connection.isolation import SHARED
from .._types import OwnScope
from ..datastructures import FileStorage
from ..json import dumps
from ..utils import encode_headers

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext
    from ..wrappers import Request

#: Marks a ``json`` argument that was not given, as ``None`` is valid JSON.
sentinel = object()

HeadersInput: TypeAlias = (
    Headers | Mapping[str, str] | Mapping[str, Sequence[str]] | Iterable[tuple[str, str]]
)
AuthInput: TypeAlias = Authorization | tuple[str, str]
QueryInput: TypeAlias = Mapping[str, object] | str | bytes
Preserve: TypeAlias = "Callable[[AppContext], None]"


class ConnectionOptions(TypedDict, total=False):
    """Keywords for requests and websockets."""

    headers: HeadersInput | None
    query_string: QueryInput | None
    scheme: str
    root_path: str
    http_version: str
    scope_base: OwnScope | None
    auth: AuthInput | None
    subdomain: str | None


class BodyOptions(ConnectionOptions, total=False):
    """Keywords for a whole request, except its method."""

    data: str | bytes | None
    form: Mapping[str, object] | None
    files: Mapping[str, object] | None
    json: object


@dataclass(slots=True)
class RequestSpec:
    """A request or a websocket's handshake, as a test describes it."""

    path: str
    method: str = "GET"
    headers: HeadersInput | None = None
    data: str | bytes | None = None
    form: Mapping[str, object] | None = None
    files: Mapping[str, object] | None = None
    query_string: QueryInput | None = None
    json: object = sentinel
    scheme: str = "http"
    root_path: str = ""
    http_version: str = "1.1"
    scope_base: OwnScope | None = None
    auth: AuthInput | None = None
    subdomain: str | None = None
    subprotocols: Sequence[str] | None = None

    def __post_init__(self) -> None:
        # An absolute URL, such as from a Location header, has its own scheme.
        self.scheme = urlsplit(self.path).scheme or self.scheme

    def head(self, app: Quart) -> tuple[Headers, str, bytes]:
        """Return the headers, the path and the query string, with defaults filled in."""
        headers, path, query_string = make_test_headers_path_and_query_string(
            app, self.path, self.headers, self.query_string, self.auth, self.subdomain
        )
        if self.subprotocols:
            headers.setdefault("Sec-WebSocket-Protocol", ", ".join(self.subprotocols))
        return headers, path, query_string

    def body(self, app: Quart) -> tuple[bytes, Headers]:
        """Return the body and the headers that describe it."""
        return make_test_body_with_headers(
            data=self.data, form=self.form, files=self.files, json=self.json, app=app
        )

    @staticmethod
    def describe_body(headers: Headers, body: bytes, body_headers: Headers) -> None:
        """Add headers that describe the body, leaving those that the test has set."""
        for name, value in body_headers:
            headers.setdefault(name, value)
        if body and "Transfer-Encoding" not in headers:
            headers.setdefault("Content-Length", str(len(body)))

    def scope(
        self,
        type_: Literal["http", "websocket"],
        path: str,
        headers: Headers,
        query_string: bytes,
        preserve: Preserve | None = None,
    ) -> OwnScope:
        """Return the ASGI scope for the values of :meth:`head`."""
        base = self.scope_base
        if type_ == "websocket":
            base = {"subprotocols": list(self.subprotocols or ())} | (base or {})
        scope = make_test_scope(
            type_,
            path,
            self.method,
            headers,
            query_string,
            self.scheme,
            self.root_path,
            self.http_version,
            base,
            _preserve_context=preserve or False,
        )
        return cast(OwnScope, scope)


def make_test_headers_path_and_query_string(
    app: Quart,
    path: str,
    headers: HeadersInput | None = None,
    query_string: QueryInput | None = None,
    auth: AuthInput | None = None,
    subdomain: str | None = None,
) -> tuple[Headers, str, bytes]:
    """Fill in what a test leaves out of a request's head.

    - *path*: May contain the query string, and may be an absolute URL, whose host is then sent.
    - *headers*: Copied, not changed.
    - *auth*: A ``(username, password)`` pair for basic authentication, or an `Authorization`.
    """
    parts = urlsplit(path)
    if parts.query and query_string is not None:
        raise ValueError(
            "Expected the query string in one place, got it in the path and as query_string."
            " Remove one of them."
        )
    headers = Headers(headers)
    if auth is not None:
        if isinstance(auth, tuple):
            auth = Authorization("basic", {"username": auth[0], "password": auth[1]})
        headers.setdefault("Authorization", auth.to_header())
    headers.setdefault("User-Agent", "Quart")
    host = parts.netloc.rpartition("@")[2] or app.config["SERVER_NAME"] or "localhost"
    headers.setdefault("Host", host if subdomain is None else f"{subdomain}.{host}")
    return headers, _path_of(path), _encode_query(parts.query, query_string)


def _path_of(path: str) -> str:
    # urlsplit().path would take the first segment of "//a/b" for a host, and lose it.
    path = path.partition("#")[0].partition("?")[0]
    scheme, separator, rest = path.partition("://")
    if separator and scheme.isalnum():
        path = "/" + rest.partition("/")[2]
    return unquote(path)


def _encode_query(in_path: str, query: QueryInput | None) -> bytes:
    if query is None:
        query = in_path
    elif isinstance(query, Mapping):
        query = _urlencode(query)
    if isinstance(query, bytes):
        return query
    return iri_to_uri(f"?{query}")[1:].encode("ascii") if query else b""


def _urlencode(values: Mapping[str, object]) -> str:
    return urlencode(list(iter_multi_items(cast(Any, values))), doseq=True)


def make_test_body_with_headers(
    *,
    data: str | bytes | None = None,
    form: Mapping[str, object] | None = None,
    files: Mapping[str, object] | None = None,
    json: object = sentinel,
    app: Quart | None = None,
) -> tuple[bytes, Headers]:
    """Encode a body, and return it with the headers that describe it.

    Give at most one of *data*, *json* and form data (*form* and *files*, which go together).

    - *files*: Field name to a file storage, a ``(stream, filename[, content_type])`` tuple, or
      a list of these.
    - *app*: Its JSON provider encodes *json*.
    """
    kinds = {
        "data": data is not None,
        "json": json is not sentinel,
        "form or files": form is not None or files is not None,
    }
    if sum(kinds.values()) > 1:
        given = " and ".join(name for name, is_given in kinds.items() if is_given)
        raise ValueError(
            f"Expected one kind of body, got {given}. 'data', 'json' and 'form'/'files' are"
            " mutually exclusive."
        )
    if json is not sentinel:
        text = dumps(json) if app is None else app.json.dumps(json)
        return text.encode(), Headers({"Content-Type": "application/json"})
    if files is not None:
        return _encode_files(form or {}, files)
    if form is not None:
        return _urlencode(form).encode(), Headers(
            {"Content-Type": "application/x-www-form-urlencoded"}
        )
    return _encode_data(data), Headers()


def _encode_data(data: str | bytes | None) -> bytes:
    if data is None:
        return b""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError(
        f"Expected data to be str or bytes, got {type(data).__name__}. Use form= or files="
        " for fields, json= for JSON, and client.request() to stream a body."
    )


def _encode_files(form: Mapping[str, object], files: Mapping[str, object]) -> tuple[bytes, Headers]:
    values: MultiDict[str, object] = MultiDict()
    for key, value in files.items():
        for item in value if isinstance(value, list) else [value]:
            values.add(key, _as_file(item))
    for key, value in iter_multi_items(cast(Any, form)):
        values.add(str(key), value)
    boundary, body = encode_multipart(values)
    return body, Headers({"Content-Type": f'multipart/form-data; boundary="{boundary}"'})


def _as_file(value: Any) -> object:
    if isinstance(value, tuple):
        stream, filename, content_type = (*value, None)[:3]
        return FileStorage(stream, filename, content_type=content_type)
    if hasattr(value, "read") and not hasattr(value, "headers"):
        return FileStorage(value)
    return value


@overload
def make_test_scope(
    type_: Literal["http"],
    path: str,
    method: str,
    headers: Headers,
    query_string: bytes,
    scheme: str,
    root_path: str,
    http_version: str,
    scope_base: OwnScope | None,
    *,
    _preserve_context: bool | Preserve = False,
) -> HTTPScope: ...


@overload
def make_test_scope(
    type_: Literal["websocket"],
    path: str,
    method: str,
    headers: Headers,
    query_string: bytes,
    scheme: str,
    root_path: str,
    http_version: str,
    scope_base: OwnScope | None,
    *,
    _preserve_context: bool | Preserve = False,
) -> WebsocketScope: ...


def make_test_scope(
    type_: Literal["http", "websocket"],
    path: str,
    method: str,
    headers: Headers,
    query_string: bytes,
    scheme: str,
    root_path: str,
    http_version: str,
    scope_base: OwnScope | None,
    *,
    _preserve_context: bool | Preserve = False,
) -> Scope:
    """Return the scope that a server would make.

    - *scope_base*: Entries that replace, or add to, the usual ones.
    - *_preserve_context*: A function that the app calls with the connection's context before
       popping it. A plain ``True`` does nothing.
    """
    scope: OwnScope = {
        "type": type_,
        "http_version": http_version,
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "scheme": scheme,
        "path": path,
        "raw_path": iri_to_uri(path).encode("ascii"),
        "query_string": query_string,
        "root_path": root_path,
        "headers": encode_headers(headers),
        "extensions": {},
        "state": {},
        SHOWN: VARIABLES,
        # As Flask's test client, call the app within the test's contexts.
        SHARED: True,
    }
    if type_ == "websocket":
        scope["extensions"]["websocket.http.response"] = {}
    else:
        scope["method"] = method
        if http_version in {"2", "3"}:
            scope["extensions"]["http.response.push"] = {}
    if callable(_preserve_context):
        preserve = _preserve_context
        scope["quart.closing"] = lambda ctx, response: preserve(ctx)
    scope.update(scope_base or {})
    return cast(Scope, scope)


async def no_op_push(path: str, headers: Headers) -> None:
    """Send no push promise; for a request that is made without a connection."""


def make_test_request(
    app: Quart,
    path: str,
    *,
    send_push_promise: Callable[[str, Headers], Awaitable[None]] = no_op_push,
    **options: Any,
) -> Request:
    """Return the request for ``app.test_request_context``; the options are those of `open`."""
    spec = RequestSpec(path, **options)
    headers, path, query_string = spec.head(app)
    body, body_headers = spec.body(app)
    spec.describe_body(headers, body, body_headers)
    scope = spec.scope("http", path, headers, query_string)
    request = app.request_class(
        spec.method,
        spec.scheme,
        path,
        query_string,
        headers,
        spec.root_path,
        spec.http_version,
        scope,  # type: ignore[arg-type]
        send_push_promise=send_push_promise,
    )
    request.body.set_result(body)
    return request
