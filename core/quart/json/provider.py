"""The JSON providers an application can be given: Flask's."""

from __future__ import annotations

import json.encoder
from collections.abc import Callable
from functools import lru_cache
from json import JSONEncoder
from typing import Any

from flask.json.provider import (
    DefaultJSONProvider as FlaskJSONProvider,
    JSONProvider as JSONProvider,
)

from .._stock import Stock

_ENCODING = Stock(
    FlaskJSONProvider,
    "dumps",
    besides=[(json, ["dumps"]), (JSONEncoder, ["__init__", "encode", "iterencode"])],
)


class DefaultJSONProvider(FlaskJSONProvider):
    """Flask's default provider, with an encoder that is made once and not for each value."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        if not _ENCODING.of(FlaskJSONProvider):
            return super().dumps(obj, **kwargs)
        try:
            encode = encode_with(self.default, self.ensure_ascii, self.sort_keys, **kwargs)
        # One of the three is given, or an option cannot be hashed or is one of `json.dumps` alone.
        except TypeError:
            return super().dumps(obj, **kwargs)
        return encode(obj)


@lru_cache(maxsize=32)
def encode_with(
    default: Any, ensure_ascii: bool, sort_keys: bool, **options: Any
) -> Callable[[Any], str]:
    """Return the `encode` of the JSONEncoder with these options, made ready.

    The standard library's makes the encoder in C anew for each value, which takes longer than to
    encode a small one.
    """
    encoder = JSONEncoder(
        default=default, ensure_ascii=ensure_ascii, sort_keys=sort_keys, **options
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None or encoder.indent is not None:
        return encoder.encode
    standard = json.encoder
    chunks_of = make(
        None,  # Here it would note what it is within, which threads must not share.
        encoder.default,
        standard.encode_basestring_ascii if ensure_ascii else standard.encode_basestring,
        None,
        encoder.key_separator,
        encoder.item_separator,
        encoder.sort_keys,
        encoder.skipkeys,
        encoder.allow_nan,
    )

    def encode(obj: Any) -> str:
        try:
            return "".join(chunks_of(obj, 0))
        except RecursionError:
            return encoder.encode(obj)  # It finds out whether something is within itself.

    return encode
