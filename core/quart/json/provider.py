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
        try:
            encoder = _encoder(self.default, self.ensure_ascii, self.sort_keys, **kwargs)
        # One of the three is given, or an option cannot be hashed or is one of `json.dumps` alone.
        except TypeError:
            return super().dumps(obj, **kwargs)
        return encoder.encode(obj)


@lru_cache(maxsize=32)
def _encoder(default: Any, ensure_ascii: bool, sort_keys: bool, **options: Any) -> JSONEncoder:
    return JSONEncoder(default=default, ensure_ascii=ensure_ascii, sort_keys=sort_keys, **options)
