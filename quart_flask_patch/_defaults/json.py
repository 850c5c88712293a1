"""Flask's JSON provider, with short ways."""

from __future__ import annotations

from quart.json import provider

from ..wrappers import whole_response


class DefaultJSONProvider(provider.DefaultJSONProvider):
    """The core's provider, whose responses are Flask's."""

    _respond = staticmethod(whole_response)
