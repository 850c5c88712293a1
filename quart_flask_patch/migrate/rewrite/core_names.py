"""Ask the core what is awaited there and not in Flask, by Flask's names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Literal

Awaited = Literal["call", "name", ""]

_APP = r"flask\.(?:Flask\(\)|current_app)"
_CLIENT = rf"{_APP}\.test_client\(\)"
_VERB = "(?:get|post|put|patch|delete|head|options|trace|open)"
#: The class of the core for each of Flask's names.
_OBJECTS = (
    (re.compile(r"flask\.request"), "Request"),
    (re.compile(_APP), "Quart"),
    (re.compile(r"flask\.Blueprint\(\)"), "Blueprint"),
    (re.compile(_CLIENT), "QuartClient"),
    (
        re.compile(
            rf"flask\.(?:make_response|jsonify|redirect|Response)\(\)|{_CLIENT}\.{_VERB}\(\)"
            r"|werkzeug\.test\.TestResponse\(\)"
        ),
        "Response",
    ),
)
_RESOURCE = r"flask\.(?:Flask\(\)|current_app|Blueprint\(\))\.open_\w*resource\(\)"
#: Context managers that need `async with` on the core.
_MANAGERS = re.compile(
    rf"{_APP}\.(?:app_context|test_request_context|request_context|test_client)\(\)"
    rf"|{_CLIENT}\.session_transaction\(\)|{_RESOURCE}"
)
_FILE = re.compile(rf"{_RESOURCE}\.(?:read|readline|readlines)")
CLIENT_CALL = re.compile(rf"{_CLIENT}\.{_VERB}")


@lru_cache(maxsize=1)
def _members() -> dict[str, dict[str, Awaited]]:
    """Ask the core in a process of its own, where the layer has not changed it."""
    script = Path(__file__).with_name("core_members.py")
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, dict[str, Awaited]] = json.loads(done.stdout)
    return found


def awaited(name: str) -> Awaited:
    """Return how Flask's *name* is awaited on the core: when called, when read, or not at all."""
    if _FILE.fullmatch(name):
        return "call"
    head, _, last = name.rpartition(".")
    for pattern, cls in _OBJECTS:
        if pattern.fullmatch(head):
            return _members()[cls].get(last, "")
    if head == "flask" or head.startswith("flask."):
        return _members().get(f"quart{head.removeprefix('flask')}", {}).get(last, "")
    return ""


def _of_core(module: str) -> object:
    try:
        return import_module(f"quart{module.removeprefix('flask')}")
    except ImportError:
        return None


def is_async_manager(name: str) -> bool:
    return _MANAGERS.fullmatch(name) is not None


def core_name(module: str, name: str) -> str | None:
    """Return the core's name for *name* in Flask's *module*, or None."""
    new = {"Flask": "Quart", "FlaskClient": "QuartClient"}.get(name, name)
    found = _of_core(module)
    return new if found is not None and (hasattr(found, new) or name == "*") else None
