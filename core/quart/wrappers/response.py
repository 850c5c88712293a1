"""The response: status, headers and body, and what is conditional on the request's headers."""

from __future__ import annotations

import io
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Iterable,
    Mapping,
)
from functools import lru_cache
from hashlib import md5 as md5
from http import HTTPStatus
from os import PathLike
from typing import Any, cast, IO, Literal, overload, TypeVar

from werkzeug.datastructures import ContentRange as ContentRange, Headers as Headers
from werkzeug.exceptions import (
    RequestedRangeNotSatisfiable as RequestedRangeNotSatisfiable,
)
from werkzeug.http import generate_etag, parse_etags as parse_etags
from werkzeug.sansio.http import is_resource_modified as is_resource_modified
from werkzeug.sansio.response import Response as SansIOResponse
from werkzeug.utils import get_content_type

from .. import json
from .._formats.headers import encode_headers
from .._loops.turns import Turns
from .._stock import Stock
from ..globals import _cv_app, current_app as current_app
from ..utils import (
    file_path_to_path as file_path_to_path,
    run_sync_iterable as run_sync_iterable,
)
from ._bodies import (
    _raise_if_invalid_range as _raise_if_invalid_range,
    as_bytes,
    call_plain,
    DataBody as DataBody,
    FileBody as FileBody,
    IOBody as IOBody,
    IterableBody as IterableBody,
    ResponseBody as ResponseBody,
)
from ._conditional import ConditionalResponse

F = TypeVar("F", bound=Callable[[], Any])
_Body = (
    ResponseBody
    | str
    | bytes
    | bytearray
    | Iterable[Any]
    | AsyncIterable[Any]
    | PathLike[str]
    | io.IOBase
    | None
)
#: The header that says the content's type, decoded and encoded.
_TypeHeader = tuple[tuple[str, str], tuple[bytes, bytes]]
_Headers = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]] | Headers | None

# What Werkzeug makes of a status given as a number, kept as it makes the same each time.
_statuses: dict[object, tuple[str, int]] = {}


class _HeadersOnDemand:
    """The headers of a response that has only its type and length: most are sent, and not read."""

    def __get__(self, response: Any, owner: type | None = None) -> Any:
        if response is None:
            return self
        if getattr(response, "_bare_type", None) is None:
            raise AttributeError(
                "Expected a Response whose __init__ has run, got one without headers. Call"
                " super().__init__() before you read them."
            )
        headers = Headers()
        headers._list += response._bare_type[0], ("Content-Length", str(response._bare_length))
        # From here on the instance's own attribute comes before this.
        response.headers, response._bare_type = headers, None
        return headers


class Response(ConditionalResponse, SansIOResponse):
    """An answer: a body, a status, headers.

    The body may be text (sent as UTF-8), bytes, a plain or async iterable of either, a path, an
    open binary file or a `ResponseBody`.
    """

    automatically_set_content_length = True
    default_mimetype: str | None = "text/html"
    data_body_class: type[DataBody] = DataBody
    file_body_class: type[FileBody] = FileBody
    #: Whether reading a streamed body keeps it, so that it can be sent afterwards.
    implicit_sequence_conversion = True
    io_body_class: type[IOBody] = IOBody
    iterable_body_class: type[IterableBody] = IterableBody
    json_module: Any = json
    #: Seconds that sending may take; None for no limit, `...` for the `RESPONSE_TIMEOUT` config.
    timeout: Any = Ellipsis
    #: Flask's; here every body is passed to the server as it is.
    direct_passthrough = False

    headers: Headers = cast(Any, _HeadersOnDemand())
    #: The type of a response whose headers nobody has looked at (else None), and its length.
    _bare_type: _TypeHeader | None
    _bare_length: int
    _response: ResponseBody
    _push_promises: set[str] | None = None

    def __init__(
        self,
        response: _Body = None,
        status: int | str | HTTPStatus | None = None,
        headers: _Headers = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        # Equivalent to Werkzeug's constructor, cheapest checks first: it runs for every request.
        # Values that a caller gave still go through the setters that check them, and all of them do
        # as soon as anybody has changed one of those: see `_MAKING`.
        self._on_close: list[Callable[[], object]] | None = None
        if not _MAKING.of(type(self)):
            self._make_as_werkzeug(response, status, headers, mimetype, content_type)
            return
        self._status, self._status_code = "200 OK", 200
        if status is not None or self.default_status != 200:
            self._set_status(self.default_status if status is None else status)
        if not isinstance(response, (str, bytes)):
            self._set_headers(headers, mimetype, content_type)
            self.response = response
        elif (
            headers is None
            and content_type is None
            and self.automatically_set_content_length
            and (mimetype := self.default_mimetype if mimetype is None else mimetype) is not None
        ):
            data = response.encode() if isinstance(response, str) else response
            self._response = self.data_body_class(data)
            self._bare_type, self._bare_length = _type_header(mimetype), len(data)
        else:
            self._set_headers(headers, mimetype, content_type)
            self.set_data(response)

    def _make_as_werkzeug(self, response: _Body, *others: Any) -> None:
        """Call the methods and properties that do it, as somebody has replaced some."""
        self._bare_type = None
        super().__init__(*others)
        if isinstance(response, (str, bytes)):
            self.set_data(response)
        else:
            self.response = response

    def _set_headers(
        self, headers: _Headers, mimetype: str | None, content_type: str | None
    ) -> None:
        self._bare_type = None
        self.headers = headers if isinstance(headers, Headers) else Headers(headers)
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        elif mimetype is not None or "content-type" not in self.headers:
            self._set_mimetype(mimetype)

    def _set_mimetype(self, mimetype: str | None) -> None:
        if (mimetype := self.default_mimetype if mimetype is None else mimetype) is not None:
            self.mimetype = mimetype

    def _set_status(self, status: int | str | HTTPStatus) -> None:
        if (known := _statuses.get(status)) is not None:
            self._status, self._status_code = known
            return
        self.status = status
        if type(status) is int and 100 <= status < 600:
            _statuses[status] = self._status, self._status_code

    # -- The body

    @property
    def response(self) -> ResponseBody:
        """The body, as it is sent. Anything that the constructor takes may be assigned."""
        return self._response

    @response.setter
    def response(self, value: _Body) -> None:
        if isinstance(value, ResponseBody):
            self._response = value
        elif value is None:
            self._response = self.data_body_class(b"")
        elif isinstance(value, (str, bytes, bytearray, memoryview)):
            self._response = self.data_body_class(as_bytes(value))
        elif isinstance(value, PathLike):
            self._response = self.file_body_class(value)
        elif _is_binary_file(value):
            self._response = self.io_body_class(cast("IO[bytes]", value))
        else:
            self._response = self.iterable_body_class(value)

    @property
    def is_sequence(self) -> bool:
        """Whether the whole body is here already."""
        return isinstance(self._response, DataBody) or isinstance(
            getattr(self._response, "iterable", None), (list, tuple)
        )

    @property
    def is_streamed(self) -> bool:
        """Whether the body is made or read while it is sent."""
        return not self.is_sequence

    def calculate_content_length(self) -> int | None:
        """Return the length of the body, None if that takes making it."""
        body: Any = self._response
        if getattr(body, "size", None) is not None:
            return cast(int, body.end - body.begin)
        return sum(len(as_bytes(chunk)) for chunk in body.iterable) if self.is_sequence else None

    def set_data(self, data: str | bytes) -> None:
        """Replace the body, and the `Content-Length` with it."""
        if isinstance(data, str):
            data = data.encode()
        self._response = self.data_body_class(data)
        if self.automatically_set_content_length:
            _set_content_length(self.headers, len(data))

    @overload
    async def get_data(self, as_text: Literal[False] = False) -> bytes: ...

    @overload
    async def get_data(self, as_text: Literal[True]) -> str: ...

    @overload
    async def get_data(self, as_text: bool) -> bytes | str: ...

    async def get_data(self, as_text: bool = False) -> bytes | str:
        """Return the body, as bytes or as text.

        A streamed body is kept, unless `implicit_sequence_conversion` is off: then it is used up.
        """
        if self.implicit_sequence_conversion:
            await self.make_sequence()
        data = b"".join([chunk async for chunk in self.iter_encode()])
        return data.decode() if as_text else data

    @property
    async def data(self) -> bytes:
        """The body as bytes; assign text or bytes to replace it."""
        return await self.get_data()

    @data.setter
    def data(self, value: str | bytes) -> None:
        self.set_data(value)

    @property
    async def json(self) -> Any:
        """The body parsed as JSON, None if the content type is another."""
        return await self.get_json()

    async def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the body parsed as JSON, None if the content type is another.

        With *force* the content type does not matter; with *silent* a body that is not JSON gives
        None instead of raising ValueError.
        """
        if not (force or self.is_json):
            return None
        try:
            return self.json_module.loads(await self.get_data())
        except ValueError:
            if silent:
                return None
            raise

    async def make_sequence(self) -> None:
        """Take in the whole of a streamed body, so that it can be read more than once."""
        if not isinstance(self._response, DataBody):
            self._response = self.data_body_class(
                b"".join([chunk async for chunk in self.iter_encode()])
            )

    async def iter_encode(self) -> AsyncGenerator[bytes, None]:
        """Iterate over the body's chunks as bytes."""
        turns = Turns()
        async with self._response as chunks:
            async for chunk in chunks:
                if turns.due():
                    await turns.give()
                yield as_bytes(chunk)

    async def freeze(self) -> None:
        """Take in the whole body, after which this object can be pickled."""
        self.set_data(await self.get_data())

    # -- Closing

    def call_on_close(self, func: F) -> F:
        """Have *func*, async or plain, called once the response is sent or given up."""
        if self._on_close is None:
            self._on_close = []
        self._on_close.append(func)
        return func

    async def close(self) -> None:
        """Close the body and call what was registered by `call_on_close`.

        All of it is done even if some of it raises; then the errors are raised at the end, several
        of them as a group.
        """
        if self._on_close is None and isinstance(self._response, DataBody):
            return
        callbacks, self._on_close = self._on_close or (), None
        errors: list[Exception] = []
        for func in [getattr(self._response, "aclose", None), *callbacks]:
            try:
                if func is not None:
                    await call_plain(func)
            except Exception as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("Closing the response failed.", errors)

    # -- HTTP

    @property
    def push_promises(self) -> set[str]:
        """Paths that the client is told it will need, before the response is sent (HTTP/2)."""
        if self._push_promises is None:
            self._push_promises = set()
        return self._push_promises

    @push_promises.setter
    def push_promises(self, value: set[str]) -> None:
        self._push_promises = value

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override] # read-only, as in Flask
        """The `MAX_COOKIE_SIZE` config: setting a cookie larger than this warns."""
        ctx = _cv_app.get(None)
        if ctx is None:
            return super().max_cookie_size
        size: int = ctx.app.config["MAX_COOKIE_SIZE"]
        return size

    async def add_etag(self, overwrite: bool = False, weak: bool = False) -> None:
        """Set an etag made from the body, unless there is one already and *overwrite* is off."""
        if overwrite or "etag" not in self.headers:
            self.set_etag(generate_etag(await self.get_data()), weak)


#: Methods and properties whose work the constructor does itself, unless one is replaced.
_MAKING = Stock(
    Response,
    *("headers", "response", "set_data", "status", "status_code"),
    besides=[(SansIOResponse, ["__init__"])],
)


@lru_cache(maxsize=256)
def _type_header(mimetype: str) -> _TypeHeader:
    # Werkzeug checks the value: one with a line break in it raises.
    headers = Headers({"Content-Type": get_content_type(mimetype, "utf-8")})
    return headers[0], encode_headers(headers)[0]


def encoded_headers(response: Response) -> list[tuple[bytes, bytes]]:
    """Return the headers of *response* as an ASGI server wants them."""
    if response._bare_type is None:
        return encode_headers(response.headers)
    return [response._bare_type[1], (b"content-length", b"%d" % response._bare_length)]


def _set_content_length(headers: Headers, length: int) -> None:
    # As `headers[...] = ...`, less the check of the value: this runs for every response.
    value, items = ("Content-Length", str(length)), headers._list
    for name, _ in items:
        if name.lower() == "content-length":
            headers.set(*value)
            return
    items.append(value)


def _is_binary_file(value: object) -> bool:
    return isinstance(value, io.IOBase) and not isinstance(value, io.TextIOBase)
