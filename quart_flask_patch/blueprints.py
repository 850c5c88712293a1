"""Flask's blueprint, with Quart's websockets and hooks."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from flask.blueprints import Blueprint as GenuineBlueprint

from quart._flask import flask_context_processor
from quart.blueprints import Blueprint as CoreBlueprint

from ._commands import AppGroup

if TYPE_CHECKING:
    from ._typed import Registered as _Core
else:
    _Core = CoreBlueprint


class Blueprint(_Core, GenuineBlueprint):
    """A blueprint whose methods are synchronous, as Flask's are."""

    _cli_class = AppGroup
    _context_processor = staticmethod(flask_context_processor)
    get_send_file_max_age = GenuineBlueprint.get_send_file_max_age
    open_resource: Any = GenuineBlueprint.open_resource
    send_static_file: Any = GenuineBlueprint.send_static_file
