"""Send files as responses."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, UTC as UTC
from functools import lru_cache
from io import BytesIO, TextIOBase
from pathlib import Path
from types import NoneType
from typing import Any, IO, NamedTuple, TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import quote
from zlib import adler32 as adler32

from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable
from werkzeug.http import http_date, quote_etag
from werkzeug.security import safe_join as safe_join

from ._stock import Stock
from .globals import app_ctx
from .utils import file_path_to_path
from .wrappers import Response

if TYPE_CHECKING:
    from .app import Quart
    from .typing import FilePath

DEFAULT_MIMETYPE = "application/octet-stream"
# Characters besides letters and digits that need no quoting in a header's parameter.
_RFC_5987_SAFE = "!#$&+-.^_`|~"


async def send_from_directory(
    directory: FilePath,
    file_name: FilePath,
    *,
    mimetype: str | None = None,
    as_attachment: bool = False,
    attachment_filename: str | None = None,
    add_etags: bool = True,
    cache_timeout: int | None = None,
    conditional: bool = True,
    last_modified: datetime | float | None = None,
    **kwargs: Any,
) -> Response:
    """Return a response with the file *file_name* in *directory*; a client may choose the name.

    The other arguments are those of `send_file`.

    Raises:
        NotFound: if there is no such file, or the name points out of *directory*.
    """
    path = safe_join(os.fsdecode(directory), os.fsdecode(file_name))
    if path is None or not _is_file(path):
        raise NotFound()
    return await send_file(
        path,
        mimetype,
        as_attachment,
        attachment_filename,
        add_etags,
        cache_timeout,
        conditional,
        last_modified,
        **kwargs,
    )


async def send_file(
    filename_or_io: FilePath | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    attachment_filename: str | None = None,
    add_etags: bool = True,
    cache_timeout: int | None = None,
    conditional: bool = False,
    last_modified: datetime | float | None = None,
    *,
    download_name: str | None = None,
    etag: bool | str | None = None,
    max_age: int | None = None,
) -> Response:
    """Return a response with a file: a path that you trust, or an open binary file.

    The mimetype is guessed from the name. With *conditional* the answer may be 304 or a range. A
    path gets an ETag, a modification date, and the cache time the application gives it.
    *download_name*, *etag* and *max_age* are Flask's names of *attachment_filename*, *add_etags*
    and *cache_timeout*.

    Raises:
        ValueError: if the mimetype is not given and there is no name to guess it from, or if the
            file is open in text mode.
        RequestedRangeNotSatisfiable: if the client asks for a range outside of the file.
    """
    app, source = app_ctx.app, _open(filename_or_io)
    name = download_name or attachment_filename or source.name
    encoding = None
    if mimetype is None:
        mimetype, encoding = _guess(name)
    response = _response_with(source, app, mimetype)
    if as_attachment or download_name is not None:
        _set_disposition(response, "attachment" if as_attachment else "inline", name)
    if encoding is not None and not as_attachment:
        # A browser would undo the encoding of a download, and save other bytes than the name says.
        response.headers["Content-Encoding"] = encoding
    age = cache_timeout if max_age is None else max_age
    described = _Described(
        source.size,
        source.modified if last_modified is None else last_modified,
        source.max_age(app) if age is None else age,
        source.etag(add_etags if etag is None else etag),
    )
    if described.is_plain() and _adds_nothing_twice(response):
        response.headers._list += described.headers()
    else:
        described.set_on(response)
    if conditional:
        await _make_conditional(response, source)
    return response


class _Source(NamedTuple):
    """What is known about the file; some of it is known only for a path."""

    path: Path | None
    file: IO[bytes] | None = None
    name: str | None = None
    size: int | None = None
    modified: float | None = None

    def etag(self, wanted: bool | str) -> str | None:
        if isinstance(wanted, str):
            return wanted or None
        if not wanted or self.path is None:
            return None
        return f"{self.modified}-{self.size}-{adler32(os.fsencode(self.path))}"

    def max_age(self, app: Quart) -> int | None:
        return None if self.path is None else app.get_send_file_max_age(str(self.path))


class _Described(NamedTuple):
    """What headers say of the file: what is not None, or of `age` that caches are to ask."""

    size: int | None
    modified: datetime | float | None
    age: int | None
    etag: str | None

    def is_plain(self) -> bool:
        """Whether a value that a caller gave needs no check by Werkzeug."""
        tag = self.etag or ""
        return type(self.age) in (int, NoneType) and tag.isascii() and tag.isprintable()

    def headers(self) -> Iterator[tuple[str, str]]:
        """The headers that `set_on` sets, in its order."""
        if self.size is not None:
            yield "Content-Length", str(self.size)
        if self.modified is not None:
            yield "Last-Modified", _date(self.modified)
        shared = "no-cache" if self.age is None or self.age <= 0 else "public"
        yield "Cache-Control", shared if self.age is None else f"{shared}, max-age={self.age}"
        if self.age is not None:
            yield "Expires", _date(_after(self.age))
        if self.etag is not None:
            yield "ETag", quote_etag(self.etag)

    def set_on(self, response: Response) -> None:
        """Set the headers by *response*'s own properties."""
        if self.size is not None:
            response.content_length = self.size
        if self.modified is not None:
            response.last_modified = self.modified  # type: ignore[assignment]  # its setter takes numbers
        if self.age is None or self.age <= 0:
            response.cache_control.no_cache = True
        else:
            response.cache_control.public = True
        if self.age is not None:
            response.cache_control.max_age = self.age
            response.expires = _after(self.age)
        if self.etag is not None:
            response.set_etag(self.etag)


def _after(seconds: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


# Files are asked for again, and many within a second.
_date = lru_cache(maxsize=256)(http_date)


#: What `_Described.set_on` asks of a response.
_DESCRIBING = Stock(
    Response, "cache_control", "content_length", "expires", "last_modified", "set_etag"
)
_DESCRIBED = frozenset({"cache-control", "content-length", "etag", "expires", "last-modified"})


def _adds_nothing_twice(response: Response) -> bool:
    """Whether the headers can be appended, as none is there and no property has been replaced."""
    return (
        _DESCRIBING.within(response)
        and type(headers := response.headers) is Headers
        and _DESCRIBED.isdisjoint(name.lower() for name, _ in headers._list)
    )


def _open(filename_or_io: FilePath | IO[bytes]) -> _Source:
    if isinstance(filename_or_io, bytes | str | os.PathLike):
        path = file_path_to_path(filename_or_io)
        # Called here and not in a thread. Cost: "stat" in docs/performance.md.
        status = path.stat()
        return _Source(path, None, path.name, status.st_size, status.st_mtime)
    if isinstance(filename_or_io, TextIOBase):
        raise ValueError(
            "Expected a file that gives bytes, got one that gives text. Open it in binary mode,"
            " or put the encoded text in a BytesIO."
        )
    size = filename_or_io.getbuffer().nbytes if isinstance(filename_or_io, BytesIO) else None
    return _Source(None, filename_or_io, size=size)


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)
    except ValueError:
        # Older versions of Python raise this for a null byte in the name.
        return False


def _guess(name: str | None) -> tuple[str, str | None]:
    if name is None:
        raise ValueError(
            "Expected a mimetype, or a name to guess it from, got a file with neither. Pass"
            " mimetype or attachment_filename."
        )
    mimetype, encoding = mimetypes.guess_type(name)
    return mimetype or DEFAULT_MIMETYPE, encoding


def _response_with(source: _Source, app: Quart, mimetype: str) -> Response:
    """Return a response with the file, or the path that the server in front is to send instead."""
    kind = app.response_class
    if not hasattr(kind, "file_body_class"):
        kind = Response  # A Flask application on the layer has a class of Flask's.
    if source.path is None:
        return kind(kind.io_body_class(source.file), mimetype=mimetype)  # type: ignore[arg-type]
    if app.config["USE_X_SENDFILE"]:
        sent = {"X-Sendfile": os.path.abspath(source.path)}
        return kind(b"", mimetype=mimetype, headers=sent)
    return kind(kind.file_body_class(source.path), mimetype=mimetype)


def _set_disposition(response: Response, disposition: str, name: str | None) -> None:
    names = {}
    if name is not None:
        # Old clients read the first, simpler name; RFC 6266 prefers the second.
        names["filename"] = normalize("NFKD", name).encode("ascii", "ignore").decode()
        if not name.isascii():
            names["filename*"] = f"UTF-8''{quote(name, safe=_RFC_5987_SAFE)}"
    response.headers.set("Content-Disposition", disposition, **names)


async def _make_conditional(response: Response, source: _Source) -> None:
    try:
        await response.make_conditional(
            app_ctx.request, accept_ranges=True, complete_length=source.size
        )
    except RequestedRangeNotSatisfiable:
        if source.file is not None:
            source.file.close()
        raise
    if response.status_code == 304:
        # Some servers would send the file whatever the status is.
        response.headers.pop("X-Sendfile", None)
