"""JSON as the current application's provider writes and reads it.

Outside of an application context these functions do what the default provider does.
"""

from __future__ import annotations

import json
from typing import Any, IO, TYPE_CHECKING

from ..globals import _cv_app, current_app as current_app
from .provider import DefaultJSONProvider, JSONProvider

if TYPE_CHECKING:
    from ..wrappers import Response


def _provider() -> JSONProvider | None:
    ctx = _cv_app.get(None)
    return None if ctx is None else ctx.app.json


def dumps(object_: object, **kwargs: Any) -> str:
    """Return *object_* as JSON; dates, UUIDs, decimals and dataclasses included."""
    if (provider := _provider()) is not None:
        return provider.dumps(object_, **kwargs)
    kwargs.setdefault("default", DefaultJSONProvider.default)
    return json.dumps(object_, **kwargs)


def dump(object_: object, fp: IO[str], **kwargs: Any) -> None:
    """Write *object_* as JSON to the text file *fp*."""
    if (provider := _provider()) is not None:
        provider.dump(object_, fp, **kwargs)
    else:
        kwargs.setdefault("default", DefaultJSONProvider.default)
        json.dump(object_, fp, **kwargs)


def loads(object_: str | bytes, **kwargs: Any) -> Any:
    """Return what the JSON text *object_* means."""
    if (provider := _provider()) is not None:
        return provider.loads(object_, **kwargs)
    return json.loads(object_, **kwargs)


def load(fp: IO[Any], **kwargs: Any) -> Any:
    """Return what the JSON text in the file *fp* means."""
    if (provider := _provider()) is not None:
        return provider.load(fp, **kwargs)
    return json.load(fp, **kwargs)


def jsonify(*args: object, **kwargs: Any) -> Response:
    """Return a JSON response of one value, of a list of several, or of a dict of the keywords.

    Raises:
        TypeError: if there are both positional and keyword arguments.
    """
    response: Response = current_app.json.response(*args, **kwargs)  # type: ignore[assignment]  # of the app's response_class
    return response
