"""JSON as the standard library writes and reads it, without the objects that it makes each time.

Whoever calls `write` or `read` has to ask in a `Stock` for their parts. The other two do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder

from .._stock import Besides, Stock

#: What `write` does the work of, besides what it looks up when it is called.
WRITING: Besides = [
    (json.JSONEncoder, ["__init__", "encode", "iterencode"]),
    (json, ["dumps", "JSONEncoder"]),
]
#: What `read` does the work of.
READING: Besides = [(json.JSONDecoder, ["decode", "raw_decode"]), (json, ["loads"])]
# The same, for sessions outside of an application's context of Flask's.
_WRITING = Stock(json.JSONEncoder, *WRITING[0][1], besides=WRITING[1:])
_READING = Stock(json.JSONDecoder, *READING[0][1], besides=READING[1:])
_decoder = json.JSONDecoder()


def dumps_compact(value: object) -> str:
    """Return *value*, of nothing that JSON does not have, without spaces."""
    return (
        write(value) if _WRITING.of(json.JSONEncoder) else json.dumps(value, separators=(",", ":"))
    )


def loads(text: str) -> object:
    """Return what *text* means."""
    return (
        read(text) if text.startswith("{") and _READING.of(json.JSONDecoder) else json.loads(text)
    )


def _refuse(value: object) -> object:
    raise TypeError(f"Expected a value that JSON has, got {type(value).__name__}.")


def write(
    value: object,
    default: Callable[..., object] = _refuse,
    *,
    ensure_ascii: bool = True,
    sort_keys: bool = False,
    is_compact: bool = True,
) -> str:
    """Return *value* as JSON; what JSON does not have is given to *default*."""
    cls = json.JSONEncoder
    between = (",", ":") if is_compact else (cls.item_separator, cls.key_separator)
    make_encoder = encoder.c_make_encoder  # type: ignore[attr-defined]  # not in the stubs
    if make_encoder is None:  # The interpreter has none, or somebody has taken it away.
        return json.dumps(
            value,
            default=default,
            separators=between,
            ensure_ascii=ensure_ascii,
            sort_keys=sort_keys,
        )
    text_encoder = encoder.encode_basestring_ascii if ensure_ascii else encoder.encode_basestring
    # The dict is for the containers around a value, to find a circle. The last two say that odd
    # keys are an error, and that NaN is none.
    encode = make_encoder(
        {}, default, text_encoder, None, between[1], between[0], sort_keys, False, True
    )
    return "".join(encode(value, 0))


def read(text: str) -> object:
    """Return what *text* means, which begins with a bracket."""
    value, end = _decoder.raw_decode(text)
    return value if end == len(text) else json.loads(text)
