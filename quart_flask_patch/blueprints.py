"""Flask's blueprint, with websockets and serving hooks."""

from __future__ import annotations

from flask.blueprints import Blueprint as GenuineBlueprint

from quart.blueprints import Blueprint as CoreBlueprint

from typing import Any


class Blueprint(CoreBlueprint, GenuineBlueprint):
    """A blueprint whose methods are synchronous, as Flask's are."""

    get_send_file_max_age = GenuineBlueprint.get_send_file_max_age
    open_resource: Any = GenuineBlueprint.open_resource
    send_static_file: Any = GenuineBlueprint.send_static_file

    def _prepare(self) -> None:
        processors = self.template_context_processors[None][:]
        super()._prepare()
        self.template_context_processors[None] = processors
