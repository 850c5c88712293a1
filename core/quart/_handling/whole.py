"""Send a view's answer without making a response of it, where nobody would see that response.

A response is an object that hooks, signals and the session may change, so to make one takes longer
than to match a URL. Where there are none of these, what has to be sent follows from the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.sansio.response import Response as SansIOResponse

from .._connection.outbound import Whole
from .._stock import Stock
from ..json.provider import ANSWERING
from ..wrappers.response import _type_header, Response

#: Returns the answer for a view's result, or None if an application has to make a response of it.
Answering = Callable[[Any, Any], Whole | None]


def answering(cls: Any, making: Stock) -> Answering:
    """Return what answers without a response of *cls*, the default class of an application.

    *making* asks about the methods that such a response would go through.
    """
    is_stock, serializes = making.compiled().of, ANSWERING.compiled().within

    def answer(app: Any, result: Any) -> Whole | None:
        if app.response_class is not cls or not is_stock(cls):
            return None
        kind: str | None = cls.default_mimetype
        if isinstance(result, (dict, list)):
            provider = app.json
            if not serializes(provider):
                return None
            kind = kind if provider.mimetype is None else provider.mimetype
        elif not isinstance(result, (str, bytes)):
            return None
        if kind is None or not cls.automatically_set_content_length:
            return None
        if isinstance(result, (dict, list)):
            result = provider._text_of(result)
        body = result.encode() if isinstance(result, str) else result
        headers = [_type_header(kind)[1], (b"content-length", b"%d" % len(body))]
        return Whole((200, headers, body, False))

    return answer


#: The methods that `answering` skips in the core.
_MAKING = Stock(
    Response,
    *("__init__", "__new__", "close", "data_body_class", "default_status", "headers"),
    *("response", "set_data", "status", "status_code"),
    besides=[(SansIOResponse, ["__init__"])],
)
#: For applications with the core's response class.
in_core = answering(Response, _MAKING)
