"""Flask's JSON provider, with a short way to make a response."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider as FlaskJSONProvider

from quart._stock import Stock

from ..wrappers import whole_response

_RESPONDING = Stock(FlaskJSONProvider, "response", "_prepare_response_obj")


class DefaultJSONProvider(FlaskJSONProvider):
    """Flask's default provider; its responses equal Flask's."""

    def response(self, *args: object, **kwargs: object) -> Any:
        """Return a JSON response of one value, of a list of values, or of a dict of keywords."""
        if kwargs or len(args) != 1 or not _RESPONDING.of(FlaskJSONProvider):
            return super().response(*args, **kwargs)
        compact = not self._app.debug if self.compact is None else self.compact
        layout: dict[str, object] = {"separators": (",", ":")} if compact else {"indent": 2}
        text = self.dumps(args[0], **layout)
        return whole_response(self._app.response_class, f"{text}\n", self.mimetype)
