"""Whether the endpoints of an application are measured; what does so is imported then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quart.app import Quart

    from ._watching.measuring import Checking

#: What the configuration calls it, and where an application keeps what was measured.
KEY = "MEASURE_ENDPOINTS"
EXTENSION = "quart_flask_patch.endpoints"
#: Of a test run, which measures all applications.
checking: Checking | None = None


def is_on(app: Quart) -> bool:
    return checking is not None or EXTENSION in app.extensions or bool(app.config.get(KEY))
