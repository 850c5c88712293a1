"""Leave whole files on the disk to a server that can send them itself.

Such a server offers the ASGI extension ``http.response.pathsend``: it gets the path, and sends the
content without any more steps of Python.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from typing import Any

from werkzeug.wrappers import Response as WSGIResponse

from .._formats.headers import RawHeaders
from .._stock import Stock
from .._types import Scope
from ..wrappers.response import FileBody, Response
from .outbound import ENCODING, file_of

TYPE = "http.response.pathsend"
_READING = Stock(FileBody, "__aenter__", "__aiter__", "_open", "_read", "_read_all", "_read_pieces")


def is_offered(scope: Scope) -> bool:
    """Whether the server can send a file by itself."""
    return scope["type"] == "http" and TYPE in (scope.get("extensions") or ())


def path_for(scope: Scope, response: object, headers: RawHeaders) -> str | None:
    """Return the path of the file that is the whole of *response*, if the server can send it.

    None if the file's length is not what the *headers* say, or if the file has been replaced. None
    also if something is called at the end: that may remove the file, and a server may open it only
    later.
    """
    if not is_offered(scope) or getattr(response, "_on_close", None):
        return None
    length = dict(headers).get(b"content-length", b"")
    if isinstance(response, Response):
        path, opened = _path_of_body(response.response), None
    elif isinstance(response, WSGIResponse) and ENCODING.within(response):
        path, opened = _path_of_wrapper(response)
    else:
        return None
    if path is None:
        return None
    try:
        found = os.stat(path)
        is_same = opened is None or os.path.samestat(found, os.fstat(opened))
    except (OSError, ValueError):
        return None  # The code that opens the file will report the error.
    is_whole = stat.S_ISREG(found.st_mode) and length == b"%d" % found.st_size
    return path if is_whole and is_same else None


def _path_of_body(body: object) -> str | None:
    if (
        type(body) is not FileBody
        or not _READING.within(body)
        or (body.begin, body.end) != (0, body.size)
    ):
        return None
    return os.path.abspath(body.file_path)


def _path_of_wrapper(response: WSGIResponse) -> tuple[str | None, int | None]:
    """Return the path of the file that a plain response passes on, and its descriptor."""
    wrapper = file_of(response)
    file: Any = None if wrapper is None else wrapper.file
    if (
        type(file) is not BufferedReader
        or file.closed
        or not isinstance(file.name, str)
        or file.tell()
    ):
        return None, None
    return os.path.abspath(file.name), file.fileno()
