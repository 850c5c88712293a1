"""Whole files on the disk, left to a server that sends them by itself.

Such a server offers the ASGI extension ``http.response.pathsend``: it is told the path, and the
content comes by no step of Python's.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from typing import Any

from werkzeug.wrappers import Response as WSGIResponse
from werkzeug.wsgi import FileWrapper

from .._formats.headers import RawHeaders
from .._stock import Stock
from .._types import Scope
from ..wrappers.response import FileBody, Response
from .outbound import ENCODING

TYPE = "http.response.pathsend"
_READING = Stock(FileBody, "__aenter__", "__aiter__", "_open", "_read", "_read_all", "_read_pieces")
_STEPPING = Stock(FileWrapper, "__iter__", "__next__")


def path_for(scope: Scope, response: object, headers: RawHeaders) -> str | None:
    """Return the path of the file that is all of *response*, if the server can be told to send it.

    None, too, where the file is not of the length that the *headers* say, or no longer the same.
    And where something is to be called at the end: that may remove the file, which a server may
    open only after it has taken the path.
    """
    if scope["type"] != "http" or TYPE not in (scope.get("extensions") or ()):
        return None
    if getattr(response, "_on_close", None):
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
        return None  # Whoever opens it says so.
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
    body: Any = response.response
    if (
        not response.direct_passthrough
        or type(body) is not FileWrapper
        or not _STEPPING.within(body)
        or type(body.file) is not BufferedReader
        or body.file.closed
        or not isinstance(body.file.name, str)
        or body.file.tell()
    ):
        return None, None
    return os.path.abspath(body.file.name), body.file.fileno()
