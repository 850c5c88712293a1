"""The request: what the client asked for, and its body in every form that a view may want."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast, Literal, overload, TYPE_CHECKING

from flask.debughelpers import attach_enctype_error_multidict
from werkzeug.datastructures import (
    CombinedMultiDict as CombinedMultiDict,
    Headers as Headers,
    iter_multi_items as iter_multi_items,
    MultiDict as MultiDict,
)
from werkzeug.exceptions import (
    BadRequest as BadRequest,
    RequestEntityTooLarge as RequestEntityTooLarge,
    RequestTimeout as RequestTimeout,
)

from .._loops.mailbox import in_trio
from .._stock import Stock
from .._types import CoroutineOf, Receive
from ..datastructures import awaitable_file, FileStorage as FileStorage, plain_file, with_each_file
from ..formparser import FormDataParser as FormDataParser, parses_as_stock, URLENCODED, urlencoded
from ..globals import _cv_app, current_app as current_app
from ._args import Args
from ._body import Body as Body, Now, receive_now, within
from ._limits import announced_length, Limits
from .base import (
    BaseRequestWebsocket as BaseRequestWebsocket,
    ClientDisconnectedError as ClientDisconnectedError,
)

if TYPE_CHECKING:
    from hypercorn.typing import HTTPScope


SERVER_PUSH_HEADERS_TO_COPY = {
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "user-agent",
}


class Request(Limits, BaseRequestWebsocket):
    """A request, as one async view sees it.

    What was read of the body is in the instance's dict, under the names that Werkzeug's own request
    uses (`_cached_data`, `_cached_json`, `form`, `files`). So a request of Werkzeug's class with
    the same dict sees the same state. The properties here come before that dict.
    """

    body_class: type[Body] = Body
    form_data_parser_class: type[FormDataParser] = FormDataParser
    lock_class: type[Any] = asyncio.Lock

    # The results of parsing JSON: without *silent*, and with it. `...` before that.
    _cached_json: tuple[object, object] = (Ellipsis, Ellipsis)
    _cached_data: bytes | None = None
    _lock: object = None
    _body: Body | None = None
    #: The whole body, if it came in one message before anybody used `body`.
    _whole: bytes | None = None
    _receive: Receive | None = None
    _awaitable_files: tuple[object, MultiDict[str, FileStorage]] | None = None

    if not TYPE_CHECKING:
        args = Args(BaseRequestWebsocket)

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        query_string: bytes,
        headers: Headers,
        root_path: str,
        http_version: str,
        scope: HTTPScope,
        *,
        max_content_length: int | None = None,
        body_timeout: float | None = None,
        send_push_promise: Callable[[str, Headers], Awaitable[None]],
    ) -> None:
        """Create a request; without a *max_content_length* the configured one holds.

        *body_timeout* is the number of seconds that reading the whole body may take. The body is
        read from the callable given to `receive_from`, or pushed into `body`.
        """
        # Each request comes here, and `super()` would make an object.
        BaseRequestWebsocket.__init__(
            self, method, scheme, path, query_string, headers, root_path, http_version, scope
        )
        self.body_timeout = body_timeout
        self._send_push_promise = send_push_promise
        if max_content_length is not None:
            self._max_content_length = max_content_length

    def receive_from(self, receive: Receive) -> None:
        """Set ASGI's *receive*, from which the body is read when somebody wants it."""
        self._receive = receive
        if self._body is not None:
            self._body.receive_from(receive)

    # The body

    @property
    def body(self) -> Body:
        """The body as it arrives, within `body_timeout`: iterate over it, or await all of it."""
        body = self._body
        if body is None:
            body = self._body = self.body_class(announced_length(self.headers), None)
            if self._whole is not None:
                body.set_result(self._whole)
            elif self._receive is not None:
                body.receive_from(self._receive)
        # Set these at each access, as a view may have changed them on either face of the request.
        body.max_content_length = self.max_content_length
        body.timeout = self.body_timeout
        return body

    @body.setter
    def body(self, value: Body) -> None:
        self._body = value

    @property
    async def stream(self) -> Body:
        """The body, under the name it has in Flask; await it."""
        return self.body

    @property
    async def data(self) -> bytes:
        """The bytes of the body; empty for a multipart form: see `form` and `files`."""
        return await self.get_data(parse_form_data=True)

    @overload
    async def get_data(
        self, cache: bool = ..., as_text: Literal[False] = ..., parse_form_data: bool = ...
    ) -> bytes: ...

    @overload
    async def get_data(
        self, cache: bool = ..., *, as_text: Literal[True], parse_form_data: bool = ...
    ) -> str: ...

    @overload
    async def get_data(
        self, cache: bool = ..., as_text: bool = ..., parse_form_data: bool = ...
    ) -> bytes | str: ...

    async def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> bytes | str:
        """Return the body, as bytes or as text (UTF-8; what is not is replaced).

        Without *cache* the bytes are not kept, so nobody can read them again. With
        *parse_form_data* the form is parsed first, and what remains is returned.

        Raises:
            RequestEntityTooLarge: if the body is longer than `max_content_length`.
            RequestTimeout: if it takes longer than `body_timeout` to arrive.
            ClientDisconnectedError: if the client goes away before the end.
        """
        data = self._cached_data
        if data is None:
            if parse_form_data:
                await self._load_form_data()
            if (data := self._arrived()) is None:
                data = cast(bytes, await self._in_time(self.body))
        if cache:
            self._cached_data = data
        else:
            self._forget_body()
        return data.decode(errors="replace") if as_text else data

    def _arrived(self, take: Callable[[Receive], Now] = receive_now) -> bytes | None:
        """Return the body if it is one message that has arrived already, as most have.

        For other bodies a `Body` is made, which others can wait for; it goes on from where this has
        stopped. So it is under Trio: a time limit would not include the first step of `receive`.
        """
        receive = self._receive
        if (
            receive is None
            or self._body is not None
            or self._whole is not None
            or not self._reads_as_stock()
            or in_trio()
        ):
            return None
        limit = self.max_content_length
        if limit is not None and (announced_length(self.headers) or 0) > limit:
            return None
        message, rest = take(receive)
        if message is None:
            if rest is not None:
                self.body.go_on_with(rest)
            return None
        if message["type"] == "http.request" and not message.get("more_body", False):
            whole: bytes = message.get("body") or b""
            if limit is None or len(whole) <= limit:
                self._whole = whole
                return whole
        self.body.take_in(message)
        return None

    def _reads_as_stock(self) -> bool:
        """Whether no subclass has replaced how the body is read."""
        return self.body_class is Body and _READING.within(self)

    def _forget_body(self) -> None:
        self.__dict__.pop("_cached_data", None)
        self.body.clear()

    async def _in_time(self, awaitable: Awaitable[object]) -> Any:
        try:
            return await within(self.body_timeout, awaitable)
        except TimeoutError as error:
            raise RequestTimeout from error

    # JSON

    @property
    async def json(self) -> Any:
        """The body parsed as JSON, None if the content type is another: see `get_json`."""
        return await self.get_json()

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body parsed as JSON, None if the content type is another.

        With *force* the content type does not matter. Where parsing fails, *silent* gives None,
        and otherwise `on_json_loading_failed` decides.
        """
        if cache and self._cached_json[silent] is not Ellipsis:
            return self._cached_json[silent]
        if not (force or self.is_json):
            return None
        data = await self.get_data(cache=cache)
        loud, quiet = self._cached_json
        try:
            loud = quiet = value = self.json_module.loads(data)
        except ValueError as error:
            if silent:
                quiet = value = None
            else:
                loud = value = self.on_json_loading_failed(error)
        if cache:
            self._cached_json = loud, quiet
        return value

    def on_json_loading_failed(self, error: Exception | None) -> Any:
        """Return a value to use instead of a body that is not JSON, or raise (by default a 400)."""
        ctx = _cv_app.get(None)
        if ctx is not None and ctx.app.debug:
            raise BadRequest(f"Failed to decode JSON: {error}")
        raise BadRequest

    # Forms

    @property
    async def form(self) -> MultiDict[str, str]:
        """The fields of the form; its files are in `files`."""
        await self._load_form_data()
        return cast("MultiDict[str, str]", self.__dict__["form"])

    @property
    async def files(self) -> MultiDict[str, FileStorage]:
        """The files of the form, which must be `multipart/form-data`."""
        await self._load_form_data()
        plain = self.__dict__["files"]
        if self._awaitable_files is None or self._awaitable_files[0] is not plain:
            self._awaitable_files = plain, with_each_file(plain, awaitable_file)
        return self._awaitable_files[1]

    @property
    async def values(self) -> CombinedMultiDict[str, str]:
        """The query's arguments and, unless this is a GET request, the fields of the form."""
        # A cache between client and server takes all GETs of a URL for one resource, whatever the
        # form.
        sources: list[Any] = [self.args] if self.method == "GET" else [self.args, await self.form]
        return CombinedMultiDict(
            [source if isinstance(source, MultiDict) else MultiDict(source) for source in sources]
        )

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser to be used for this request's form."""
        return self.form_data_parser_class(
            max_content_length=self.max_content_length,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
        )

    async def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        if self._parses_as_stock():
            if (data := self._cached_data) is None and (data := self._arrived()) is None:
                data = await self._in_time(self.body)
            fields = urlencoded(data)
            # Another task may have parsed the form meanwhile.
            if "form" not in self.__dict__:
                storage = self.parameter_storage_class
                self._keep_form(storage(fields), storage())
            return
        async with self._parsing_lock:
            if "form" not in self.__dict__:
                self._keep_form(*await self._in_time(self._parse_form()))

    def _parses_as_stock(self) -> bool:
        """Whether this is a usual form, and nobody has replaced the parser: then none is made."""
        return (
            self.mimetype == URLENCODED
            and parses_as_stock(self.form_data_parser_class)
            and _PARSING.within(self)
            and self._reads_as_stock()
        )

    def _parse_form(
        self,
    ) -> CoroutineOf[tuple[MultiDict[str, str], MultiDict[str, FileStorage]]]:
        return self.make_form_data_parser().parse(
            self._body_to_parse(), self.mimetype, self.content_length, self.mimetype_params
        )

    def _body_to_parse(self) -> Body:
        cached = self._cached_data
        if cached is None:
            return self.body
        body = self.body_class(None, None)
        body.set_result(cached)
        return body

    def _keep_form(self, form: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> None:
        ctx = _cv_app.get(None)
        if not files and ctx is not None and ctx.app.debug and not _is_multipart(self):
            # In debug mode, looking up a missing file explains what to change in the form.
            attach_enctype_error_multidict(
                cast(Any, SimpleNamespace(files=files, form=form, mimetype=self.mimetype))
            )
        self._form, self._files = form, files

    # Subclasses of Quart 0.22's request use these three where they override the parsing.

    @property
    def _parsing_lock(self) -> Any:
        if self._lock is None:
            self._lock = self.lock_class()
        return self._lock

    @property
    def _form(self) -> MultiDict[str, str] | None:
        return self.__dict__.get("form")

    @_form.setter
    def _form(self, form: MultiDict[str, str]) -> None:
        self.__dict__["form"] = form

    @property
    def _files(self) -> MultiDict[str, FileStorage] | None:
        return None if self._awaitable_files is None else self._awaitable_files[1]

    @_files.setter
    def _files(self, files: MultiDict[str, FileStorage]) -> None:
        plain = with_each_file(files, plain_file)
        self._awaitable_files = plain, files
        # Closing open files takes several steps.
        if files:
            self.may_have_files = True
        self.__dict__["files"] = plain

    async def close(self) -> None:
        """Close the files of the form, if it was parsed."""
        for _, file in iter_multi_items(self.__dict__.get("files") or ()):
            file.close()

    async def send_push_promise(self, path: str) -> None:
        """Tell the client that it will need *path*, for servers and clients that can (HTTP/2)."""
        headers = Headers()
        for name in SERVER_PUSH_HEADERS_TO_COPY:
            for value in self.headers.getlist(name):
                headers.add(name, value)
        await self._send_push_promise(path, headers)


#: Whether closing a request only closes the files of its form.
CLOSES_FILES = Stock(Request, "close")


_READING = Stock(Request, "body", "_in_time")
_PARSING = Stock(Request, "make_form_data_parser", "_body_to_parse", "_parse_form")


def _is_multipart(request: Request) -> bool:
    return request.mimetype == "multipart/form-data"
