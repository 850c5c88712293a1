"""The JSON providers an application can be given: Flask's."""

from __future__ import annotations

from flask.json.provider import (
    DefaultJSONProvider as DefaultJSONProvider,
    JSONProvider as JSONProvider,
)
