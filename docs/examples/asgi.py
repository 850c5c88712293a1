"""The notes application for any ASGI server: `uvicorn asgi:app`, `granian asgi:app`, ..."""

import quart.flask_patch  # noqa: F401  (puts the layer in place as `flask`)

# isort: split

from notes import create_app

app = create_app()
