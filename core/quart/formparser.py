"""Parse forms while the body arrives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any, cast, ClassVar, IO, NoReturn, Self, TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.datastructures import Headers as Headers, MultiDict as MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge as RequestEntityTooLarge
from werkzeug.http import parse_options_header as parse_options_header
from werkzeug.sansio.multipart import (
    Data as Data,
    Epilogue as Epilogue,
    Field as Field,
    File as File,
    MultipartDecoder as MultipartDecoder,
    NeedData as NeedData,
)

from ._formats.headers import whole_number
from ._formats.multipart import Decoder
from ._stock import Stock
from .datastructures import FileStorage as FileStorage

if TYPE_CHECKING:
    from .wrappers._body import Body

# RFC 2046, section 5.1.1, allows 70 characters. Werkzeug's test client sends a few more at times.
_LONGEST_BOUNDARY = 200

StreamFactory = Callable[[int | None, str | None, str | None, int | None], IO[bytes]]
ParserFunc = Callable[
    ["FormDataParser", "Body", str, int | None, dict[str, str]],
    Awaitable[tuple[MultiDict[str, str], MultiDict[str, FileStorage]]],
]

URLENCODED = "application/x-www-form-urlencoded"
# Browsers send UTF-8. Only these others are accepted, as not every codec is safe to offer.
_PART_CHARSETS = {"ascii", "us-ascii", "utf-8", "iso-8859-1"}
#: How many bytes of a file are kept in memory; a larger file goes to the disk. This is Starlette's
#: limit, and twice Werkzeug's, since writing to the disk holds up the event loop.
#: `MAX_CONTENT_LENGTH` bounds the files of one request in all, whatever this is.
FILE_MEMORY_SIZE = 1024 * 1024
# How many pieces of a file are kept as they arrived; even a small piece takes memory.
_KEPT = 64


def boundary_of(mimetype: str, options: dict[str, str]) -> bytes:
    """Return the boundary from a multipart content type's *options*.

    Raises:
        BadRequest: if a client may not choose such a boundary.
        ValueError: if there is none.
    """
    boundary = options.get("boundary", "").encode("ascii")
    if not boundary:
        raise ValueError(
            f"Expected a boundary in the content type {mimetype!r}, got {options!r}. Send"
            f" '{mimetype}; boundary=...'."
        )
    if len(boundary) > _LONGEST_BOUNDARY or b"\r" in boundary or b"\n" in boundary:
        raise BadRequest(
            f"Expected a multipart boundary of at most {_LONGEST_BOUNDARY} characters and"
            f" without line breaks, got {len(boundary)} characters. Choose another boundary."
        )
    return boundary


def default_stream_factory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> IO[bytes]:
    """Open a file for an upload: in memory, and beyond `FILE_MEMORY_SIZE` bytes on the disk."""
    return cast("IO[bytes]", _Spool(FILE_MEMORY_SIZE))


class _Spool(SpooledTemporaryFile[bytes]):
    """A file in memory, and beyond *max_size* bytes on the disk; it tells its *max_size*."""

    def __init__(self, max_size: int) -> None:
        super().__init__(max_size, mode="rb+")
        self.max_size = max_size

    def hold(self, data: bytes) -> None:
        """Set the content of an empty file to *data*, which must not exceed *max_size*."""
        # A BytesIO copies nothing until somebody writes. `_file` is documented to be one.
        self._file = BytesIO(data)


class FormDataParser:
    """Parses a body as the form that its content type names."""

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
        """Create a parser; if *silent*, a malformed form counts as an empty one."""
        self.cls: type[MultiDict[str, Any]] = MultiDict if cls is None else cls
        self.max_content_length = max_content_length
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.silent = silent
        self.stream_factory = stream_factory

    def get_parse_func(self, mimetype: str, options: dict[str, str]) -> ParserFunc | None:
        """Return the function that parses *mimetype*, or None for a body that is not a form."""
        return self.parse_functions.get(mimetype)

    async def parse(
        self,
        body: Body,
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and the files of *body*; it is not read if it is not a form."""
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
        boundary = boundary_of(mimetype, options)
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
        return self.cls(fields_of((await body).decode())), self.cls()

    parse_functions: ClassVar[dict[str, ParserFunc]] = {
        "multipart/form-data": _parse_multipart,
        URLENCODED: _parse_urlencoded,
    }


def parses_as_stock(cls: type) -> bool:
    """Whether parsers of *cls* still use `urlencoded` for urlencoded forms."""
    return (
        cls is FormDataParser
        and _PARSING.of(cls)
        and _PARSING.has(FormDataParser.parse_functions.get(URLENCODED))
    )


_PARSING = Stock(FormDataParser, "__init__", "parse", "get_parse_func", "_parse_urlencoded")


def urlencoded(data: bytes) -> list[tuple[str, str]]:
    """Return the fields of an urlencoded form; an empty list if it is malformed."""
    try:
        return fields_of(data.decode())
    except ValueError:
        return []


def fields_of(text: str) -> list[tuple[str, str]]:
    """Return the fields of an urlencoded text: a form, or a query."""
    # As `urllib.parse.parse_qsl` with blank values. Cost: "form" in docs/performance.md.
    pairs = [pair.partition("=") for pair in text.replace("+", " ").split("&") if pair]
    if "%" not in text:
        return [(name, value) for name, _, value in pairs]
    return [(_unquote(name), _unquote(value)) for name, _, value in pairs]


def _unquote(text: str) -> str:
    # The error handler is Werkzeug's: bytes that are not UTF-8 stay percent-encoded.
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
        """Raise the error for a malformed form."""
        raise ValueError(message)

    def get_part_charset(self, headers: Headers) -> str:
        """Return the encoding of the field with these *headers*."""
        charset = parse_options_header(headers.get("content-type"))[1].get("charset", "").lower()
        return charset if charset in _PART_CHARSETS else "utf-8"

    def start_file_streaming(self, event: File, total_content_length: int | None) -> IO[bytes]:
        """Open a file for the content of the part that *event* begins."""
        length = event.headers.get("content-length", "")
        return self.stream_factory(
            total_content_length,
            event.headers.get("content-type"),
            event.filename,
            whole_number(length) or 0,
        )

    async def parse(
        self, body: Body, boundary: bytes, content_length: int | None
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and the files of *body*.

        Raises:
            RequestEntityTooLarge: if a field is too large, or there are too many parts.
            ValueError: if this is not a multipart form, or its end is missing.
        """
        with Parts(self, boundary, content_length) as parts:
            async for chunk in body:
                parts.feed(chunk)
            return parts.end()


class Parts:
    """The parts of one form so far; leaving its block early closes their files."""

    def __init__(
        self, parser: MultiPartParser, boundary: bytes, content_length: int | None
    ) -> None:
        self._decoder = Decoder(boundary, parser.max_form_parts)
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, FileStorage]] = []
        self._parser = parser
        self._content_length = content_length
        self._part: Field | File
        # The current part is a field or a file, and only one of these is set.
        self._chunks: list[bytes] = []
        self._file: _Filling | _FillingSpooled | None = None
        self._field_size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is not None:
            self.close()

    def feed(self, chunk: bytes) -> None:
        """Parse *chunk*, which has arrived."""
        for event in self._decoder.feed(chunk):
            if isinstance(event, memoryview):
                self._add(event)
            elif event is None:
                self._end_part()
            else:
                self._begin_part(event)

    def _begin_part(self, part: Field | File) -> None:
        self._part = part
        if isinstance(part, Field):
            self._chunks, self._file, self._field_size = [], None, 0
            return
        file = self._parser.start_file_streaming(part, self._content_length)
        # Exclude subclasses, which may have their own `write`.
        if type(file) is _Spool:
            self._file = _FillingSpooled(file)
        else:
            self._file = _Filling(file, self._parser.buffer_size)

    def _add(self, data: memoryview) -> None:
        """Add *data* to the content of the current part."""
        if self._file is not None:
            self._file.write(data)
            return
        self._field_size += len(data)
        limit = self._parser.max_form_memory_size
        if limit is not None and self._field_size > limit:
            raise RequestEntityTooLarge
        self._chunks.append(bytes(data))

    def _end_part(self) -> None:
        part, parser = self._part, self._parser
        if isinstance(part, File):
            filling, self._file = cast("_Filling", self._file), None
            file = filling.end()
            storage = parser.file_storage_cls(file, part.filename, part.name, headers=part.headers)
            self.files.append((part.name, storage))
        else:
            charset = parser.get_part_charset(part.headers)
            self.fields.append((part.name, b"".join(self._chunks).decode(charset, "replace")))

    def end(self) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """Return the fields and the files; call this when the whole body has arrived."""
        self._decoder.end()
        return self._parser.cls(self.fields), self._parser.cls(self.files)

    def close(self) -> None:
        """Close the files."""
        if self._file is not None:
            self._file.file.close()
        for _, storage in self.files:
            storage.close()


class _Filling:
    """Writes a part's content to its file, in pieces of at most *size* bytes."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self._size = size

    def write(self, piece: memoryview) -> None:
        for start in range(0, len(piece), self._size):
            self.file.write(bytes(piece[start : start + self._size]))

    def end(self) -> IO[bytes]:
        self.file.seek(0)
        return self.file


class _FillingSpooled:
    """The same for a file that is in memory until it is too large for that.

    It first keeps the pieces as they arrived, as many as the file may have in memory. So small
    content is copied once, and large content goes to the disk in a few large writes.
    """

    def __init__(self, file: _Spool) -> None:
        self.file = file
        self._kept: list[memoryview] = []
        self._size = 0
        self._is_empty = True

    def write(self, piece: memoryview) -> None:
        self._kept.append(piece)
        self._size += len(piece)
        if self._size > self.file.max_size:
            self.file.rollover()
            self._write_kept()
        elif len(self._kept) == _KEPT:
            self._write_kept()

    def _write_kept(self) -> None:
        kept, self._kept, self._size = self._kept, [], 0
        self._is_empty = False
        self.file.write(kept[0] if len(kept) == 1 else b"".join(kept))

    def end(self) -> IO[bytes]:
        if self._is_empty:
            self.file.hold(b"".join(self._kept))
            return self.file
        if self._kept:
            self._write_kept()
        self.file.seek(0)
        return self.file
