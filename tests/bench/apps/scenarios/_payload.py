"""What every contender answers with, so that all of them do the same work."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
TEXT = "Hello, world!"
MESSAGE = {"message": "Hello, world!", "count": 3, "tags": ["fast", "small", "plain"]}
ROWS = [{"id": n, "name": f"row <{n}>", "price": n * 1.25} for n in range(50)]
CHUNK = b"x" * 16 * 1024
CHUNKS = 64
ROUTES = 100
SECRET = "a secret key of ordinary length"
