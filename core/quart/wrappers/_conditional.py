"""Shorten a response if the client has it already, or wants only a part of it.

RFC 9110 sections 13 and 14.
"""

from __future__ import annotations

from typing import Any, Self, TYPE_CHECKING

from werkzeug.datastructures import ContentRange
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_etags
from werkzeug.sansio.http import is_resource_modified
from werkzeug.sansio.response import Response as SansIOResponse

if TYPE_CHECKING:
    from .request import Request


class ConditionalResponse(SansIOResponse):
    """A response that `make_conditional` adapts to the request's headers."""

    if TYPE_CHECKING:
        _response: Any
        response: Any

        def call_on_close(self, func: Any) -> Any: ...

        async def make_sequence(self) -> None: ...

    async def make_conditional(
        self,
        request: Request,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Self:
        """Shorten the response if *request*'s headers ask for that; return this response.

        It becomes a 304 if the client has it already, a 412 if it wants another version, and a 206
        with a part of the body if it wants a part. For the last, give the *complete_length* in
        bytes. *accept_ranges* tells the client whether to ask for parts (`True` means "bytes"). For
        methods other than GET and HEAD this does nothing.

        Raises:
            RequestedRangeNotSatisfiable: if the client wants a part that does not exist.
        """
        if request.method not in {"GET", "HEAD"}:
            return self
        if await self._answer_range(request, accept_ranges, complete_length):
            return self
        if not self._is_modified(request, ignore_if_range=True):
            if parse_etags(request.headers.get("If-Match")):
                self.status_code = 412
            else:
                self._become_not_modified()
        return self

    def _become_not_modified(self) -> None:
        self.status_code = 304
        unsent = getattr(self._response, "aclose", None)
        if unsent is not None:
            self.call_on_close(unsent)
        self.response = None
        self.headers.remove("Content-Length")

    def _is_modified(self, request: Request, ignore_if_range: bool) -> bool:
        headers = request.headers
        return is_resource_modified(
            http_range=headers.get("Range"),
            http_if_range=headers.get("If-Range"),
            http_if_modified_since=headers.get("If-Modified-Since"),
            http_if_none_match=headers.get("If-None-Match"),
            http_if_match=headers.get("If-Match"),
            etag=self.headers.get("etag"),
            last_modified=self.headers.get("last-modified"),
            ignore_if_range=ignore_if_range,
        )

    async def _answer_range(
        self, request: Request, accept_ranges: bool | str, complete_length: int | None
    ) -> bool:
        if accept_ranges:
            self.accept_ranges = "bytes" if accept_ranges is True else accept_ranges
        headers = request.headers
        if not complete_length or "Range" not in headers:
            return False
        # Unlike in other headers, a validator that does *not* match means: send everything.
        if "If-Range" in headers and self._is_modified(request, ignore_if_range=False):
            return False
        wanted = request.range
        if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
            raise RequestedRangeNotSatisfiable(complete_length)
        await self._send_range(*wanted.ranges[0])
        return True

    async def _send_range(self, begin: int, end: int | None) -> None:
        if not hasattr(self._response, "make_conditional"):
            await self.make_sequence()
        body: Any = self._response
        size = await body.make_conditional(begin, end)
        self.status_code = 206
        self.content_length = body.end - body.begin
        self.content_range = ContentRange("bytes", body.begin, body.end, size)
