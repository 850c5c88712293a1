"""Serve the application of `tests/_streams.py` on a server."""

from __future__ import annotations

import json
import os
from sys import stdout
from typing import Any

from quart_flask_patch import Flask

# isort: split
from _streams import add_streams, notes
from quart import Quart, request

app: Any = (Flask if os.environ["APPLICATION_KIND"] == "flask" else Quart)(__name__)
app.config["SYNC_THREADS"] = 64
add_streams(app, os.environ["VIEWS"] == "async")


@app.get("/noted")
async def noted() -> Any:
    """Return the notes of another request."""
    return {"notes": notes.get(request.args["of"], [])}


@app.after_serving
async def tell() -> None:
    stdout.write(f"notes: {json.dumps(notes)}\n")
    stdout.flush()
