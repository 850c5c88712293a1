"""Whether an application's endpoints are measured; the code that measures loads only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quart.app import Quart

    from ._watching.measuring import Checking

#: The configuration key, and the key in `app.extensions` under which the measurements are.
KEY = "MEASURE_ENDPOINTS"
EXTENSION = "quart_flask_patch.endpoints"
#: Set by a test run, which measures all applications.
checking: Checking | None = None


def is_on(app: Quart) -> bool:
    return checking is not None or EXTENSION in app.extensions or bool(app.config.get(KEY))
