"""The configuration mapping: Flask's, with Quart's prefix for environment variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from flask.config import Config as FlaskConfig, ConfigAttribute as ConfigAttribute


class Config(FlaskConfig):
    """A dict of settings that can be filled from files, objects, mappings and the environment."""

    if TYPE_CHECKING:
        # Flask's is a dict of nothing in particular, of which pyright says that it is unknown.
        def __getitem__(self, key: str) -> Any: ...
        def get(self, key: str, default: Any = None) -> Any: ...
        def pop(self, key: str, default: Any = None) -> Any: ...
        def setdefault(self, key: str, default: Any = None) -> Any: ...

    def from_prefixed_env(
        self, prefix: str = "QUART", *, loads: Callable[[str], Any] = json.loads
    ) -> bool:
        """Take over each environment variable that starts with *prefix* and an underscore.

        A value that *loads* refuses stays a string. A double underscore in a name sets an item of
        a nested dict: `QUART_MAIL__PORT=25` becomes `config["MAIL"]["PORT"]`.
        """
        return super().from_prefixed_env(prefix, loads=loads)
