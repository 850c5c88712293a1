"""Read the content of Flask's session cookies, which are signed but not encrypted."""

from __future__ import annotations

import base64
import json
import re
import zlib

_SIGNED = re.compile(r"(?P<data>\.?[\w-]+)\.[\w-]{5,8}\.[\w-]{27,}")


def session_in(value: str) -> object | None:
    """Return the content of a signed cookie, without checking the key; None if it is no session."""
    found = _SIGNED.fullmatch(value)
    if found is None:
        return None
    encoded = found["data"].lstrip(".")
    try:
        content = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if found["data"].startswith("."):
            content = zlib.decompressobj().decompress(content, 1_000_000)
        data: object = json.loads(content)
    except (ValueError, zlib.error):
        return None
    return data
