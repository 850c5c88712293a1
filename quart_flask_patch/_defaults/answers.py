"""Answer for a Flask application without making a response: see `quart._handling.whole`."""

from __future__ import annotations

from flask.wrappers import Response
from werkzeug.sansio.response import Response as SansIOResponse

from quart._handling.whole import answering
from quart._stock import Stock

_MAKING = Stock(
    Response,
    *("__init__", "__new__", "default_status", "set_data", "status", "status_code"),
    # Those through which it would be sent.
    *("__call__", "close", "get_app_iter", "get_wsgi_headers", "get_wsgi_response"),
    *("is_sequence", "iter_encoded"),
    besides=[(SansIOResponse, ["__init__"])],
)

in_flask = answering(Response, _MAKING)
