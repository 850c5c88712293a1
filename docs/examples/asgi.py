"""The notes application for any ASGI server: `uvicorn asgi:app`, `granian asgi:app`, ..."""

from notes import create_app

import quart.flask_patch  # noqa: F401  (puts the layer in place as `flask`)

app = create_app()
