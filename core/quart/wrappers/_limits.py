"""How much of a request is read, as the request or the configuration says."""

from __future__ import annotations

import sys
from typing import cast, TYPE_CHECKING

from werkzeug.datastructures import Headers

from .._formats.headers import first_value, whole_number
from ..globals import _cv_app

if TYPE_CHECKING:
    from ..app import Quart

# Flask's `_max_...` attributes, which the two faces of a request share, use None for "as the
# configuration says". So a limit that a view took away is kept as one that nothing reaches.
_NO_LIMIT = sys.maxsize


class Limits:
    """The limits of one request, which share their state with those of Flask's request."""

    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None

    @property
    def max_content_length(self) -> int | None:
        """How many bytes of body are read at most; None if there is no limit.

        The default is `MAX_CONTENT_LENGTH`. Set it before reading.
        """
        return _limit(self._max_content_length, "MAX_CONTENT_LENGTH")

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = _NO_LIMIT if value is None else value

    @property
    def max_form_memory_size(self) -> int | None:
        """How large a multipart field that is not a file may be; None if there is no limit.

        The default is `MAX_FORM_MEMORY_SIZE`. Set it before reading the form.
        """
        return _limit(self._max_form_memory_size, "MAX_FORM_MEMORY_SIZE")

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._max_form_memory_size = _NO_LIMIT if value is None else value

    @property
    def max_form_parts(self) -> int | None:
        """How many parts a multipart form may have; None if there is no limit.

        The default is `MAX_FORM_PARTS`. Set it before reading the form.
        """
        return _limit(self._max_form_parts, "MAX_FORM_PARTS")

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._max_form_parts = _NO_LIMIT if value is None else value


def limit_of(limits: Limits, app: Quart) -> int | None:
    """Return `max_content_length`, where no context is the current one."""
    own = limits._max_content_length
    if own is not None:
        return None if own == _NO_LIMIT else own
    return cast("int | None", app.config["MAX_CONTENT_LENGTH"])


def _limit(own: int | None, key: str) -> int | None:
    if own is not None:
        return None if own == _NO_LIMIT else own
    ctx = _cv_app.get(None)
    return None if ctx is None else cast("int | None", ctx.app.config[key])


def announced_length(headers: Headers) -> int | None:
    """Return the length that the client says its body has, None if it says none."""
    value = first_value(headers, b"content-length")
    return None if value is None else whole_number(value)
