"""The JSON providers an application can be given: Flask's."""

from __future__ import annotations

from functools import lru_cache
from json import JSONEncoder
from typing import Any

from flask.json.provider import (
    DefaultJSONProvider as FlaskJSONProvider,
    JSONProvider as JSONProvider,
)


class DefaultJSONProvider(FlaskJSONProvider):
    """Flask's default provider, with an encoder that is made once and not for each value."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        options = {
            "default": self.default,
            "ensure_ascii": self.ensure_ascii,
            "sort_keys": self.sort_keys,
            **kwargs,
        }
        try:
            encoder = _encoder(**options)
        except TypeError:  # An option cannot be hashed, or is one of `json.dumps` alone.
            return super().dumps(obj, **kwargs)
        return encoder.encode(obj)


@lru_cache(maxsize=32)
def _encoder(**options: Any) -> JSONEncoder:
    return JSONEncoder(**options)
