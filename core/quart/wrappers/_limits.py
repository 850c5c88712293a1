"""The limits of a request's size, set on the request or in the configuration."""

from __future__ import annotations

import sys
from typing import cast, TYPE_CHECKING

from werkzeug.datastructures import Headers

from .._formats.headers import first_value, Undecoded, whole_number
from ..globals import _cv_app

if TYPE_CHECKING:
    from ..app import Quart

# In Flask's `_max_...` attributes, which both faces of a request share, None means "as configured".
# So if a view removes a limit, store one that nothing can reach.
_NO_LIMIT = sys.maxsize
_FEW = 16


class Limits:
    """The limits of one request, sharing their state with Flask's request."""

    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None

    @property
    def max_content_length(self) -> int | None:
        """The number of bytes of the body to read at most; None for no limit.

        The default is `MAX_CONTENT_LENGTH`. Set it before reading.
        """
        return _limit(self._max_content_length, "MAX_CONTENT_LENGTH")

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = _NO_LIMIT if value is None else value

    @property
    def max_form_memory_size(self) -> int | None:
        """The size in bytes that a multipart field without a file may have; None for no limit.

        The default is `MAX_FORM_MEMORY_SIZE`. Set it before reading the form.
        """
        return _limit(self._max_form_memory_size, "MAX_FORM_MEMORY_SIZE")

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._max_form_memory_size = _NO_LIMIT if value is None else value

    @property
    def max_form_parts(self) -> int | None:
        """The number of parts that a multipart form may have; None for no limit.

        The default is `MAX_FORM_PARTS`. Set it before reading the form.
        """
        return _limit(self._max_form_parts, "MAX_FORM_PARTS")

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._max_form_parts = _NO_LIMIT if value is None else value


def limit_of(limits: Limits, app: Quart) -> int | None:
    """Return `max_content_length`, for code without a current context."""
    own = limits._max_content_length
    if own is not None:
        return None if own == _NO_LIMIT else own
    return cast("int | None", app.config["MAX_CONTENT_LENGTH"])


def _limit(own: int | None, key: str) -> int | None:
    if own is not None:
        return None if own == _NO_LIMIT else own
    ctx = _cv_app.get(None)
    limit: int | None = None if ctx is None else ctx.app.config[key]
    return limit


def announced_length(headers: Headers) -> int | None:
    """Return the length of the body that the client announces; None if it announces none."""
    if type(headers) is Undecoded:
        length = headers.first.get(b"content-length")
        if length is None:
            return None
        # Most clients write a few digits. Longer texts, and odd ones, are decoded first.
        if len(length) < _FEW and length.isdigit():
            return int(length)
    value = first_value(headers, b"content-length")
    return None if value is None else whole_number(value)
