"""Forms: an async shell around Werkzeug's decoder, which does no I/O."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast, ClassVar, IO, NoReturn, TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.datastructures import Headers as Headers, MultiDict as MultiDict
from werkzeug.exceptions import RequestEntityTooLarge as RequestEntityTooLarge
from werkzeug.formparser import default_stream_factory as default_stream_factory
from werkzeug.http import parse_options_header as parse_options_header
from werkzeug.sansio.multipart import (
    Data as Data,
    Epilogue as Epilogue,
    Event,
    Field as Field,
    File as File,
    MultipartDecoder as MultipartDecoder,
    NeedData as NeedData,
    State,
)

from .datastructures import FileStorage as FileStorage

if TYPE_CHECKING:
    from .wrappers._body import Body

StreamFactory = Callable[[int | None, str | None, str | None, int | None], IO[bytes]]
ParserFunc = Callable[
    ["FormDataParser", "Body", str, int | None, dict[str, str]],
    Awaitable[tuple[MultiDict[str, str], MultiDict[str, FileStorage]]],
]

URLENCODED = "application/x-www-form-urlencoded"
# Browsers send UTF-8. These are what else is believed: not every codec is safe to offer.
_PART_CHARSETS = {"ascii", "us-ascii", "utf-8", "iso-8859-1"}
# A line without its end, after the line break before it. A CR may be half of its end.
_LAST_LINE = re.compile(rb"(?:\r\n|[\r\n])([^\r\n]*)\r?\Z")
# RFC 2046 allows spaces after a boundary. More than these do not count.
_MAX_PADDING = 64


class FormDataParser:
    """Parses a body as the form that its content type says it is."""

    file_storage_class: type[FileStorage] = FileStorage

    def __init__(
        self,
        *,
        cls: type[MultiDict[str, Any]] | None = MultiDict,
        max_content_length: int | None = None,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        silent: bool = True,
        stream_factory: StreamFactory = default_stream_factory,
    ) -> None:
        """Create a parser; unless *silent* is false, a malformed form counts as an empty one."""
        self.cls: type[MultiDict[str, Any]] = MultiDict if cls is None else cls
        self.max_content_length = max_content_length
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.silent = silent
        self.stream_factory = stream_factory

    def get_parse_func(self, mimetype: str, options: dict[str, str]) -> ParserFunc | None:
        """Return the function for *mimetype*, None for a body that is not a form."""
        return self.parse_functions.get(mimetype)

    async def parse(
        self,
        body: Body,
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and the files of *body*, which is not read if it is not a form."""
        options = options or {}
        parse = self.get_parse_func(mimetype, options)
        if parse is not None:
            try:
                return await parse(self, body, mimetype, content_length, options)
            except ValueError:
                if not self.silent:
                    raise
        return self.cls(), self.cls()

    async def _parse_multipart(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise ValueError(
                f"Expected a boundary in the content type {mimetype!r}, but got {options!r}; send"
                f" '{mimetype}; boundary=...'."
            )
        parser = MultiPartParser(
            cls=self.cls,
            file_storage_cls=self.file_storage_class,
            max_content_length=self.max_content_length,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            stream_factory=self.stream_factory,
        )
        return await parser.parse(body, boundary, content_length)

    async def _parse_urlencoded(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        return self.cls(_fields((await body).decode())), self.cls()

    parse_functions: ClassVar[dict[str, ParserFunc]] = {
        "multipart/form-data": _parse_multipart,
        URLENCODED: _parse_urlencoded,
        "application/x-url-encoded": _parse_urlencoded,
    }

    _stock = parse, get_parse_func, _parse_urlencoded

    @classmethod
    def parses_as_stock(cls) -> bool:
        """Whether it is still `urlencoded` that parses an urlencoded form."""
        parse = cls.parse_functions.get(URLENCODED)
        return (cls.parse, cls.get_parse_func, parse) == cls._stock


def urlencoded(data: bytes) -> list[tuple[str, str]]:
    """Return the fields of an urlencoded form, none if it is malformed."""
    try:
        return _fields(data.decode())
    except ValueError:
        return []


def _fields(text: str) -> list[tuple[str, str]]:
    # As `urllib.parse.parse_qsl` with blank values, which takes three times as long.
    pairs = [pair.partition("=") for pair in text.replace("+", " ").split("&") if pair]
    if "%" not in text:
        return [(name, value) for name, _, value in pairs]
    return [(_unquote(name), _unquote(value)) for name, _, value in pairs]


def _unquote(text: str) -> str:
    # The handler is Werkzeug's: bytes that are not UTF-8 stay percent-encoded.
    return unquote(text, errors="werkzeug.url_quote")


class MultiPartParser:
    """Parses `multipart/form-data` while it arrives."""

    def __init__(
        self,
        *,
        buffer_size: int = 64 * 1024,
        cls: type[MultiDict[str, Any]] = MultiDict,
        file_storage_cls: type[FileStorage] = FileStorage,
        max_content_length: int | None = None,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        stream_factory: StreamFactory = default_stream_factory,
    ) -> None:
        self.buffer_size = buffer_size
        self.cls = cls
        self.file_storage_cls = file_storage_cls
        self.max_content_length = max_content_length
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.stream_factory = stream_factory

    def fail(self, message: str) -> NoReturn:
        """Report a malformed form."""
        raise ValueError(message)

    def get_part_charset(self, headers: Headers) -> str:
        """Return the encoding of the field with these *headers*."""
        charset = parse_options_header(headers.get("content-type"))[1].get("charset", "").lower()
        return charset if charset in _PART_CHARSETS else "utf-8"

    def start_file_streaming(self, event: File, total_content_length: int | None) -> IO[bytes]:
        """Return an open file for the content of the part that *event* begins."""
        length = event.headers.get("content-length", "")
        return self.stream_factory(
            total_content_length,
            event.headers.get("content-type"),
            event.filename,
            int(length) if length.isascii() and length.isdigit() else 0,
        )

    async def parse(
        self, body: Body, boundary: bytes, content_length: int | None
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and the files of *body*.

        Raises:
            RequestEntityTooLarge: if a field is too large, or there are too many parts.
            ValueError: if this is not such a form, or its end is missing.
        """
        decoder = MultipartDecoder(
            boundary, max_form_memory_size=self._buffer_limit(), max_parts=self.max_form_parts
        )
        pieces = _Pieces(boundary, self.buffer_size)
        parts = _Parts(self, content_length)
        try:
            async for chunk in body:
                for piece, is_content in pieces.cut(chunk):
                    # Nothing is left for the decoder to find, so it need not copy this thrice.
                    if is_content and decoder.state is State.DATA and not decoder.buffer:
                        parts.add(piece)
                    else:
                        parts.feed(decoder, piece)
            parts.feed(decoder, pieces.held)
            parts.feed(decoder, None)
        except BaseException:
            parts.close()
            raise
        return self.cls(parts.fields), self.cls(parts.files)

    def _buffer_limit(self) -> int | None:
        # The decoder's limit is for its buffer, which holds a piece, whatever part that is of. The
        # exact limit for a field is `_Parts`'; this one stops headers that never end.
        if self.max_form_memory_size is None:
            return None
        return max(self.max_form_memory_size, 2 * self.buffer_size)


class _Pieces:
    """Cuts what arrives where the decoder can stand it.

    The decoder searches its buffer anew for each part: handed 1 MiB at once it takes five times as
    long as in pieces. And where it is handed a boundary without the end of the boundary's line, it
    takes the CR before the boundary for content (Werkzeug 3.1). So a line that is not over is held
    back if it may be a boundary's.
    """

    def __init__(self, boundary: bytes, size: int) -> None:
        self.held = b""
        self._boundary = b"--" + boundary
        self._reach = len(self._boundary) + _MAX_PADDING
        # Larger than what may be held back, so that there is always a piece to hand over.
        self._size = max(size, 2 * self._reach)

    def cut(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield pieces, and of each whether nothing in it can be a boundary."""
        data = self.held + chunk if self.held else chunk
        start = stop = 0
        boundary = self._line_of_boundary(data, 0)
        while stop < len(data):
            is_content = start < boundary
            stop = min(start + self._size, boundary if is_content else len(data))
            settled = stop
            if stop < boundary or stop == len(data):
                settled -= self._unfinished(data[max(stop - self._reach, 0) : stop])
            if settled > start:
                yield data[start:settled], is_content
            start = settled
            if start > boundary:
                boundary = self._line_of_boundary(data, start)
        self.held = data[start:]

    def _line_of_boundary(self, data: bytes, start: int) -> int:
        """Return where the line break before the next boundary may begin, or where *data* ends."""
        found = data.find(self._boundary, start)
        return len(data) if found == -1 else max(found - 2, start)

    def _unfinished(self, tail: bytes) -> int:
        """Return the length of the line at the end of *tail* that may yet become a boundary's."""
        found = _LAST_LINE.search(tail)
        if found is None:
            return 0
        line = found[1]
        if line.startswith(self._boundary) or self._boundary.startswith(line):
            over = not line and tail[: found.start()].rstrip(b" \t").endswith(self._boundary)
            return 0 if over else len(tail) - found.start()
        return 1 if tail.endswith(b"\r") else 0


class _Parts:
    """The parts of one form, collected from the decoder's events."""

    def __init__(self, parser: MultiPartParser, content_length: int | None) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._parser = parser
        self._content_length = content_length
        self._part: Field | File
        self._write: Callable[[bytes], object]
        # Of the two, the one that belongs to the current part.
        self._chunks: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._field_size = 0

    def feed(self, decoder: MultipartDecoder, piece: bytes | None) -> None:
        decoder.receive_data(piece)
        event = decoder.next_event()
        while not isinstance(event, (Epilogue, NeedData)):
            self._collect(event)
            event = decoder.next_event()

    def _collect(self, event: Event) -> None:
        if isinstance(event, Data):
            self.add(event.data)
            if not event.more_data:
                self._end_part()
        elif isinstance(event, Field):
            self._part, self._chunks, self._file, self._field_size = event, [], None, 0
            self._write = self._chunks.append
        elif isinstance(event, File):
            self._part = event
            self._file = self._parser.start_file_streaming(event, self._content_length)
            self._write = self._file.write

    def add(self, data: bytes) -> None:
        """Add *data* to the content of the current part."""
        if isinstance(self._part, Field):
            self._field_size += len(data)
            limit = self._parser.max_form_memory_size
            if limit is not None and self._field_size > limit:
                raise RequestEntityTooLarge
        self._write(data)

    def _end_part(self) -> None:
        part, parser = self._part, self._parser
        if isinstance(part, File):
            file, self._file = cast("IO[bytes]", self._file), None
            file.seek(0)
            storage = parser.file_storage_cls(file, part.filename, part.name, headers=part.headers)
            self.files.append((part.name, storage))
        else:
            charset = parser.get_part_charset(part.headers)
            self.fields.append((part.name, b"".join(self._chunks).decode(charset, "replace")))

    def close(self) -> None:
        """Close the files, for a form that will not be had."""
        for file in [self._file, *(storage for _, storage in self.files)]:
            if file is not None:
                file.close()
