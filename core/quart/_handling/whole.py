"""Send a view's answer without making a response of it, where nobody would see that response.

A response is an object that hooks, signals and the session may change, so to make one takes longer
than to match a URL. Where there are none of these, what has to be sent follows from the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from werkzeug.sansio.response import Response as SansIOResponse
from werkzeug.wrappers import Response as WSGIResponse

from .._connection.outbound import Whole
from .._stock import Stock
from ..json.provider import ANSWERING, DefaultJSONProvider
from ..wrappers.response import _type_header, DataBody, Response
from .straight import Begun

if TYPE_CHECKING:
    from .._types import Result
    from ..app import Quart
    from ..ctx import AppContext

#: Returns the answer for a view's result, or None if an application has to make a response of it.
#: If writing JSON was seen by somebody who also sees responses, returns the response so far.
Answering = Callable[["Quart", "AppContext", "Result"], Whole | Begun | None]


def answering(cls: type[Response] | type[WSGIResponse], making: Stock) -> Answering:
    """Return what answers without a response of *cls*, the default class of an application.

    *making* asks about the methods that such a response would go through.
    """
    is_stock, serializes = making.compiled().of, ANSWERING.compiled().within

    def answer(app: Quart, ctx: AppContext, result: Result) -> Whole | Begun | None:
        kind, of = cls.default_mimetype, type(result)
        # Check the values, as anybody may put a property in the place of one.
        if (
            app.response_class is not cls
            or type(kind) is not str
            or cls.automatically_set_content_length is not True
        ):
            return None
        # Subclasses may do anything when they are encoded, and proxies only pretend to be these.
        if of is str or of is bytes:
            if not is_stock(cls):
                return None
            body = result if of is bytes else result.encode()
        elif of is dict or of is list:
            provider: DefaultJSONProvider = app.json  # type: ignore[assignment]  # as asked next
            # Another application's provider makes responses of that one's class.
            if not serializes(provider) or provider._app.response_class is not cls:
                return None
            text = provider._text_of(result)
            mimetype: str | None = provider.mimetype
            # To write JSON may run code of the application, which a response then matters to.
            if (
                ctx._session is not None
                or ctx._after is not None
                or not (plan := ctx.plan).stands
                or plan.stages.finished.receivers
                or not is_stock(cls)
            ):
                return Begun(result, response=provider._respond(cls, text, mimetype))
            body, kind = text.encode(), kind if mimetype is None else mimetype
        else:
            return None
        length = b"content-length", b"%d" % len(body)
        return Whole((200, [_type_header(kind)[1], length], body, False))

    return answer


#: The methods that `answering` skips in the core.
_MAKING = Stock(
    Response,
    *("__init__", "__new__", "close", "data_body_class", "default_status", "headers"),
    *("response", "set_data", "status", "status_code"),
    besides=[(SansIOResponse, ["__init__"]), (DataBody, ["__init__"])],
)
#: For applications with the core's response class.
in_core = answering(Response, _MAKING)
