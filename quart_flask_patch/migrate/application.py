"""Check an application by importing it in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .findings import Finding, Level

_ADVICE = "import quart.flask_patch before that, or start with `python -m quart_flask_patch`"


def check_application(path: str, timeout: float = 60) -> tuple[list[Finding], bool]:
    """Return the findings, and whether the application's async views have loops of their own."""
    found = _probed("layer", path, timeout)
    findings = [Finding(**each) for each in found.get("findings", ())]
    if "error" in found:
        way = "mend it, or name the application as MODULE:NAME or MODULE:FACTORY"
        place = found.get("place") or path
        return [_finding("error", "no-application", place, found["error"], way)], False
    findings += [_finding("error", "early", path, text, _ADVICE) for text in found["warnings"]]
    findings += _served(path, _probed("server", path, timeout))
    return findings, found["async_place"] == "own-loop"


def _finding(level: Level, code: str, place: str, what: str, way_out: str) -> Finding:
    return Finding(level, "application", code, place, what, way_out)


def _served(path: str, found: dict[str, Any]) -> list[Finding]:
    """Report what is made too early if a server imports the application before the layer."""
    if "error" in found:
        what = f"with nothing imported before it: {found['error']}"
        way = "start it with `python -m quart_flask_patch`"
        return [_finding("warning", "early", found.get("place") or path, what, way)]
    if not found["has_layer"]:
        what = "the application does not import the layer, so a server that is given it serves WSGI"
        way = "put `import quart_flask_patch` at the top of its module"
        return [_finding("note", "no-import", path, what, way)]
    early = [f"the class {name}" for name in found["classes"]]
    early += [f"the application {name!r}" for name in found["apps"]]
    return [
        _finding(
            "error",
            "early",
            path,
            f"{what} is made of Flask's own before the layer is imported, and stays on WSGI",
            _ADVICE,
        )
        for what in early
    ]


def _probed(manner: str, path: str, timeout: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        command = [sys.executable, "-m", "quart_flask_patch.migrate.probe", manner, path, str(file)]
        if manner == "server":
            # `-m` would import the package, and so the layer, before the application.
            script = Path(__file__).with_name("probe.py")
            command = [sys.executable, "-P", str(script), *command[3:]]
        env = {**os.environ, "FLASK_RUN_FROM_CLI": "true"}
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return {"error": f"it was not imported within {timeout:g} seconds", "warnings": []}
        if file.exists():
            return dict(json.loads(file.read_text("utf-8")))
    said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
    return {"error": f"the process that imported it ended: {said[0]}", "warnings": []}
