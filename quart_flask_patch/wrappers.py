"""Flask's request and response, which share their state with the async ones.

A request has two faces: two objects with one instance dict. What Werkzeug's request keeps there
(parsed form, cached data and JSON, URL rule, attributes that users set) is at once the other
face's. They differ in one place: the stream from which Werkzeug's request reads its body.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, cast, TYPE_CHECKING

from flask import wrappers as flask_wrappers
from flask.wrappers import Response as Response
from werkzeug.datastructures import Headers
from werkzeug.http import parse_options_header
from werkzeug.sansio.request import Request as SansIORequest
from werkzeug.sansio.response import Response as SansIOResponse
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request as WerkzeugRequest, request as wsgi_request

from quart._connection.outbound import file_of
from quart._flask import flask_cv_app
from quart._formats.caching import kept
from quart._handling.responses import from_other_response
from quart._stock import Stock
from quart._types import Result
from quart.formparser import URLENCODED, urlencoded
from quart.wrappers import Response as CoreResponse
from quart.wrappers._args import Args
from quart.wrappers._bodies import aclose
from quart.wrappers.response import _type_header, DataBody, IterableBody, ResponseBody

from ._environs import translation
from ._environs.body_stream import STREAM
from ._requests import matched
from ._requests.forms import FormDataParser, of_a_quart_application, open_file
from ._requests.headers import (
    headers_of,
    let_go as let_go_of_headers,
    set_headers,
    value_that_came,
)
from ._waiting import bridge, runner

if TYPE_CHECKING:
    from quart.ctx import AppContext as CoreContext
    from quart.wrappers import Request as CoreRequest, Websocket

_END = object()


def _limit(name: str) -> object:
    """Return Flask's property *name*, with a short way to its configured default."""
    flasks: Any = getattr(flask_wrappers.Request, name)
    own, key = f"_{name}", name.upper()

    def read(self: object) -> object:
        value = getattr(self, own)
        context: Any = flask_cv_app.get(None) if value is None else None
        return flasks.fget(self) if context is None else context.app.config[key]

    return property(read, flasks.fset, doc=flasks.__doc__)


# Clients send few different types. Cost: "media type" in docs/performance.md.
_content_type = kept(64)(parse_options_header)


# The methods that make a request, read its body and parse its form. A short way asks these whether
# anybody has replaced one.
MAKING = Stock(WerkzeugRequest, "__init__", "__new__", besides=[(SansIORequest, ["__init__"])])
_WANTING = Stock(WerkzeugRequest, "want_form_data_parsed")
_STREAMING = Stock(WerkzeugRequest, "stream", besides=[(wsgi_request, ["get_input_stream"])])
_PARSING = Stock(
    WerkzeugRequest,
    *("make_form_data_parser", "_get_stream_for_parsing"),
    besides=[
        (WerkzeugRequest, ["_load_form_data"]),
        (FormDataParser, ["__init__", "parse", "_parse_urlencoded"]),
    ],
)


class _Instead:
    """An attribute of ours in the place of Werkzeug's, while nobody has replaced that one.

    It can be set on an object, so `inspect` takes it for a value and not for a method.
    """

    def __init__(self, ours: object) -> None:
        self._ours = ours

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._werkzeugs = name, Stock(WerkzeugRequest, name)

    def __get__(self, request: object, owner: type) -> Any:
        if request is not None and self._name in request.__dict__:
            return request.__dict__[self._name]
        is_original = self._werkzeugs.of(WerkzeugRequest)
        value = self._ours if is_original else vars(WerkzeugRequest)[self._name]
        if isinstance(value, type) or not hasattr(value, "__get__"):
            return value
        return value.__get__(request, owner)

    def __set__(self, request: object, value: object) -> None:
        request.__dict__[self._name] = value

    def __delete__(self, request: object) -> None:
        if self._name not in request.__dict__:
            raise AttributeError(self._name)
        del request.__dict__[self._name]


class Request(flask_wrappers.Request):
    """Flask's request; its environ is made from the ASGI scope when you first read it."""

    if not TYPE_CHECKING:

        @cached_property
        def environ(self) -> dict[str, Any]:
            environ = translation.environ_of(self)
            environ.setdefault("werkzeug.request", self)
            return environ

        args = Args(flask_wrappers.Request)
        form_data_parser_class = _Instead(FormDataParser)
        _get_file_stream = _Instead(open_file)
        headers = property(headers_of, set_headers)
        max_content_length = _limit("max_content_length")
        max_form_memory_size = _limit("max_form_memory_size")
        max_form_parts = _limit("max_form_parts")

        def _load_form_data(self) -> None:
            state = self.__dict__
            if "form" not in state and self._parses_as_stock():
                storage, stream = self.parameter_storage_class, self._get_stream_for_parsing()
                state["form"], state["files"] = storage(urlencoded(stream.read())), storage()
                state["stream"] = stream
                return
            if "form" not in state and (awaited := of_a_quart_application(self)) is not None:
                bridge.wait(awaited._load_form_data())
            super()._load_form_data()
            self.may_have_files = bool(state["files"])

        def _parses_as_stock(self) -> bool:
            """Whether the form is urlencoded and nothing is replaced, so no parser is needed."""
            context: object = flask_cv_app.get(None)
            return (
                self.mimetype == URLENCODED
                and self.want_form_data_parsed
                and of_a_quart_application(self) is None
                and self.form_data_parser_class is FormDataParser
                and _PARSING.within(self)
                # In debug mode Flask explains a missing file, which its own code must do.
                and context is not None
                and not context.app.debug
            )

        def _parse_content_type(self) -> None:
            if not hasattr(self, "_parsed_content_type"):
                if (given := _type_that_came(self)) is None:
                    given = self.headers.get("content-type", "")
                mimetype, parameters = _content_type(given)
                self._parsed_content_type = mimetype, dict(parameters)

        @cached_property
        def stream(self) -> Any:
            stream = translation.body_of(self) if _STREAMING.of(WerkzeugRequest) else None
            if stream is None:
                return cast(Any, WerkzeugRequest.stream).__get__(self, type(self))
            return stream

        @property
        def want_form_data_parsed(self) -> bool:
            if not _WANTING.of(WerkzeugRequest):
                replaced = vars(WerkzeugRequest)["want_form_data_parsed"]
                return cast(bool, replaced.__get__(self, type(self)))
            # Werkzeug reads the environ for this; the headers say the same without making one.
            environ = self.__dict__.get("environ")
            if (given := _type_that_came(self)) is not None:
                return bool(given)
            return bool(self.content_type if environ is None else environ.get("CONTENT_TYPE"))

        # A class attribute, as the shared instance dict has none.
        shallow = False


#: Whether a request's class leaves the headers alone, and the type among them.
_TYPE = Stock(Request, "headers", "content_type")


def _type_that_came(request: Request) -> str | None:
    """Return the content type that the client sent, or None if only the request itself can tell."""
    return value_that_came(request, b"content-type") if _TYPE.of(type(request)) else None


#: Whether closing a request does nothing but close the files of its form.
CLOSING = Stock(WerkzeugRequest, "close")
#: Whether a request's class leaves the parsing of forms alone.
FORMS = Stock(
    Request,
    *("form_data_parser_class", "make_form_data_parser", "_get_file_stream", "_load_form_data"),
)


class SyncStream(Iterator[Any]):
    """A view's async iterable, which sync code can iterate over as well."""

    def __init__(self, chunks: AsyncIterable[Any]) -> None:
        self._source = chunks
        self._chunks = aiter(chunks)
        # Go on with the iterable on the loop where the view began it, whichever thread asks.
        home = runner.home()
        self._run = None if home is None else home.run

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._chunks

    def __next__(self) -> Any:
        chunk = bridge.wait(_next_of(self._chunks), self._run)
        if chunk is _END:
            raise StopIteration
        return chunk

    async def aclose(self) -> None:
        await aclose(self._chunks)
        if self._source is not self._chunks:
            await aclose(self._source)

    def close(self) -> None:
        """Close it from sync code, such as Werkzeug's `Response.close`, unless it has ended."""
        if self._source is not self._chunks or getattr(self._chunks, "ag_frame", self) is not None:
            bridge.wait(self.aclose(), self._run)


async def _next_of(chunks: AsyncIterator[object]) -> object:
    return await anext(chunks, _END)


def whole_response(cls: Any, body: str | bytes, mimetype: str | None = None) -> Any:
    """Return ``cls(body, mimetype=mimetype)``, by a short way if *cls* is Flask's own."""
    if (
        cls is not Response
        or not _RESPONDING.of(cls)
        # Anybody may put a property in the place of a value.
        or cls.automatically_set_content_length is not True
        or type(kind := cls.default_mimetype if mimetype is None else mimetype) is not str
    ):
        if mimetype is None:
            return cls(body, status=None, headers=None)  # Flask calls your own class this way.
        return cls(body, mimetype=mimetype)
    # The core's constructor has such a short way too, for its own class. They share only the
    # header: Flask's response has other headers and a list for a body.
    made: Any = object.__new__(cls)
    data = body.encode() if isinstance(body, str) else body
    made.headers = Headers()
    made.headers._list += _type_header(kind)[0], ("Content-Length", str(len(data)))
    made._status, made._status_code = "200 OK", 200
    made.direct_passthrough, made._on_close, made.response = False, [], [data]
    return made


# Asks whether somebody has replaced a method that `whole_response` skips.
_RESPONDING = Stock(
    Response,
    *("__init__", "set_data", "status", "status_code", "default_status"),
    besides=[(SansIOResponse, ["__init__"])],
)


#: Whether a response class makes responses from other objects, such as HTTP errors, as Flask's.
FORCING = Stock(Response, "force_type")

#: Up to this many bytes of a file are read at once, in the request's own thread.
#: For so few, to leave the file to a server that can send it would take longer.
_AT_ONCE = 256 * 1024


def with_file_read(response: Any) -> Any:
    """Return *response*; if its body is a small file, read it now, which saves visits to a thread.

    `send_file` makes such a body. Other bodies are read when they are sent.
    """
    if not isinstance(response, Response) or (file := file_of(response)) is None:
        return response
    length: int | None = response.content_length
    if length is None or length > _AT_ONCE:
        return response
    try:
        response.response = [file.file.read(length)]
    finally:
        file.close()
    response.direct_passthrough = False
    return response


def response_of(app: Any, response: Any) -> Any:
    """Return a Flask response for the async *response*; return anything else unchanged."""
    if not isinstance(response, CoreResponse):
        return response
    body = response.response
    content: Any
    if isinstance(body, DataBody):
        content = body.data
    elif type(body) is IterableBody:
        content = body.iterable
        if hasattr(content, "__aiter__"):
            content = SyncStream(content)
    else:
        content = SyncStream(_chunks_of(body))
    cls = app.response_class
    made = (cls if issubclass(cls, Response) else Response)(content, status=response.status)
    made.headers = response.headers
    # Do not register its `close`: the new response closes the body.
    for func in response._on_close or ():
        made.call_on_close(partial(_called, func))
    cast(Any, made)._quart_response = response
    return made


def core_response_of(app: Any, response: Any) -> Any:
    """Return an async response for Flask's *response*; return anything else unchanged."""
    if not isinstance(response, Response):
        return response
    made = from_other_response(app, response)
    original = getattr(response, "_quart_response", None)
    if original is not None:
        made.timeout, made.push_promises = original.timeout, original.push_promises
    return made


async def _chunks_of(body: ResponseBody) -> AsyncIterator[object]:
    async with body as chunks:
        async for chunk in chunks:
            yield chunk


def _called(func: Callable[[], Result]) -> None:
    result = func()
    if hasattr(result, "__await__"):
        bridge.wait(result)


def share(request: Any, connection: CoreRequest | Websocket) -> None:
    """Give *request* and *connection* one instance dict; where both have a name, *request* wins."""
    connection.__dict__.update(request.__dict__, may_have_files=True)
    request.__dict__ = connection.__dict__


def face_of(core: CoreContext) -> Any:
    """Return Flask's request for *core*'s request, or for its websocket's handshake."""
    face = core._connection_face
    if face is None:
        face = core._connection_face = _make_face(core)
    return face


def let_go(core: CoreContext) -> None:
    """Break the reference cycles in a request that has been handled, as Flask does."""
    face = core._connection_face
    if face is None:
        return
    state = face.__dict__
    if "environ" in state:
        state["environ"]["werkzeug.request"] = None
    if STREAM in state:
        state[STREAM].let_go()
    let_go_of_headers(state)


def _make_face(core: CoreContext) -> flask_wrappers.Request:
    face: Any
    connection = core.connection
    if connection is None:
        raise RuntimeError(
            "Expected an active request context, got an application's. Call"
            " flask.has_request_context() to ask first."
        )
    cls = getattr(core.app, "_flask_request_class", Request)
    if issubclass(cls, Request) and MAKING.of(cls):
        face = cls.__new__(cls)
        face.__dict__ = connection.__dict__
    else:
        face = cls(translation.environ_of(connection))
        share(face, connection)
    face.json_module = core.app.json
    matched.attach(connection, face)
    return face  # type: ignore[no-any-return]  # of the application's class
