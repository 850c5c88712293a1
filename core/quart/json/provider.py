"""The JSON providers that an application can be given: Flask's, with short ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask.json import provider as flask_provider
from flask.json.provider import JSONProvider as JSONProvider

from .._formats.json_text import read, READING, write, WRITING
from .._stock import Stock

if TYPE_CHECKING:
    from werkzeug.sansio.response import Response

_Flasks = flask_provider.DefaultJSONProvider
# Most JSON begins with one of these.
_BRACKETS, _TEXT_BRACKETS = (b"{", b"["), ("{", "[")
_COMPACT: dict[str, object] = {"separators": (",", ":")}

_WRITING = Stock(_Flasks, "dumps", besides=[(flask_provider, ["json"]), *WRITING])
_READING = Stock(_Flasks, "loads", besides=[(flask_provider, ["json"]), *READING])
_RESPONDING = Stock(_Flasks, "_prepare_response_obj", besides=[(_Flasks, ["response"])])


class DefaultJSONProvider(_Flasks):
    """Flask's default provider; what it writes, reads and answers with equals Flask's."""

    def dumps(self, obj: object, **kwargs: object) -> str:
        """Return *obj* as JSON; the keywords are those of `json.dumps`."""
        default: Callable[..., object] | None = self.default
        if (kwargs and kwargs != _COMPACT) or default is None or not _WRITING.of(_Flasks):
            return super().dumps(obj, **kwargs)
        return write(
            obj,
            default,
            ensure_ascii=self.ensure_ascii,
            sort_keys=self.sort_keys,
            is_compact=bool(kwargs),
        )

    def loads(self, s: str | bytes, **kwargs: object) -> object:
        """Return what the JSON text *s* means; the keywords are those of `json.loads`."""
        if kwargs or not _READING.of(_Flasks):
            return super().loads(s, **kwargs)
        # Such bytes are UTF-8, as `json.loads` finds out in several steps.
        if type(s) is bytes and s.startswith(_BRACKETS) and s[1:2] != b"\0":
            return read(s.decode("utf-8", "surrogatepass"))
        if type(s) is str and s.startswith(_TEXT_BRACKETS):
            return read(s)
        return super().loads(s)

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
    def _respond(make: Callable[..., Response], text: str, mimetype: str | None, /) -> Response:
        return make(text, mimetype=mimetype)


#: The methods that are skipped where an answer is made without a response.
ANSWERING = Stock(
    DefaultJSONProvider,
    *("_prepare_response_obj", "response"),
    besides=[(_Flasks, ["response"])],
    lasts=True,
)
