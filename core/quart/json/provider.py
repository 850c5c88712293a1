"""The JSON providers that an application can be given: Flask's, with short ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder as json_encoder
from typing import Any, TYPE_CHECKING

from flask.json import provider as flask_provider
from flask.json.provider import JSONProvider as JSONProvider

from .._stock import Stock

if TYPE_CHECKING:
    from werkzeug.sansio.response import Response

_Flasks = flask_provider.DefaultJSONProvider
_json_decoder = json.JSONDecoder()
#: None if the interpreter has no such part, or if somebody has taken it away.
_make_encoder = json_encoder.c_make_encoder  # type: ignore[attr-defined]  # not in the stubs
# Most JSON begins with one of these.
_BRACKETS, _TEXT_BRACKETS = (b"{", b"["), ("{", "[")
_COMPACT: dict[str, object] = {"separators": (",", ":")}

# What a short way stands for, here and in the standard library.
_WRITING = Stock(
    _Flasks,
    "dumps",
    besides=[
        (flask_provider, ["json"]),
        (json, ["dumps", "JSONEncoder"]),
        (json.JSONEncoder, ["__init__", "encode", "iterencode"]),
        (json_encoder, ["c_make_encoder", "encode_basestring", "encode_basestring_ascii"]),
    ],
)
_READING = Stock(
    _Flasks,
    "loads",
    besides=[
        (flask_provider, ["json"]),
        (json, ["loads", "JSONDecoder"]),
        (json.JSONDecoder, ["__init__", "decode", "raw_decode"]),
    ],
)
_RESPONDING = Stock(_Flasks, "_prepare_response_obj", besides=[(_Flasks, ["response"])])


class DefaultJSONProvider(_Flasks):
    """Flask's default provider; what it writes, reads and answers with equals Flask's."""

    def dumps(self, obj: object, **kwargs: Any) -> str:
        """Return *obj* as JSON; the keywords are those of `json.dumps`."""
        default: object = self.default
        if (
            (kwargs and kwargs != _COMPACT)
            or default is None
            or _make_encoder is None
            or not _WRITING.of(_Flasks)
        ):
            return super().dumps(obj, **kwargs)
        # As `json.dumps` does it, without an object and two methods around this one.
        cls = json.JSONEncoder
        write = _make_encoder(
            {},  # Of the containers around a value, to find a circle.
            default,
            json_encoder.encode_basestring_ascii
            if self.ensure_ascii
            else json_encoder.encode_basestring,
            None,
            ":" if kwargs else cls.key_separator,
            "," if kwargs else cls.item_separator,
            self.sort_keys,
            False,
            True,
        )
        return "".join(write(obj, 0))

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return what the JSON text *s* means; the keywords are those of `json.loads`."""
        if kwargs or not _READING.of(_Flasks):
            return super().loads(s, **kwargs)
        # Such bytes are UTF-8, as `json.loads` finds out in several steps.
        if type(s) is bytes and s.startswith(_BRACKETS) and s[1:2] != b"\0":
            text = s.decode("utf-8", "surrogatepass")
        elif type(s) is str and s.startswith(_TEXT_BRACKETS):
            text = s
        else:
            return super().loads(s)
        value, end = _json_decoder.raw_decode(text)
        return value if end == len(text) else super().loads(s)

    def response(self, *args: object, **kwargs: object) -> Response:
        """Return a JSON response of one value, of a list of values, or of a dict of keywords."""
        if kwargs or len(args) != 1 or not _RESPONDING.of(type(self)):
            return super().response(*args, **kwargs)
        return self._respond(self._app.response_class, self._text_of(args[0]), self.mimetype)

    def _text_of(self, value: object) -> str:
        """Return the body of the response for *value*."""
        compact = self.compact
        if self._app.debug if compact is None else compact is False:
            return f"{self.dumps(value, indent=2)}\n"
        return f"{self.dumps(value, separators=(',', ':'))}\n"

    @staticmethod
    def _respond(make: Callable[..., Response], text: str, mimetype: str, /) -> Response:
        return make(text, mimetype=mimetype)


#: The methods that are skipped where an answer is made without a response.
ANSWERING = Stock(
    DefaultJSONProvider,
    *("_prepare_response_obj", "response"),
    besides=[(_Flasks, ["response"])],
    lasts=True,
)
