"""coverage.py with its default settings, as the page about testing says: what ran is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("coverage")

# Every statement runs, and those after a wait run in a greenlet that was parked meanwhile.
PROGRAM = """
import asyncio
import sys
import quart.flask_patch
from flask import Flask, request
from quart_flask_patch import wait

app = Flask(__name__)
app.config["SYNC_PLACE"] = sys.argv[1]

async def fetched(value):
    await asyncio.sleep(0.001)
    return value

def inner():
    for word in ("outer", "inner", "never"):
        value = wait(fetched(word))
        if word == "inner":
            break
    return value.upper()

@app.before_request
def before():
    value = wait(fetched("before"))
    assert value

@app.post("/plain")
def plain():
    body = request.get_data()
    value = wait(fetched(body.decode()))
    other = inner()
    return value + other

@app.post("/async")
async def asynchronous():
    value = inner()
    await asyncio.sleep(0.001)
    return "body" + value

async def ask(path):
    sent = []
    parts = [b"bo", b"dy"]

    async def receive():
        await asyncio.sleep(0.001)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
             "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
             "root_path": "", "headers": [(b"host", b"localhost"), (b"content-length", b"4")],
             "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"bodyINNER"

async def main():
    await asyncio.gather(*map(ask, ["/plain", "/async"] * 3))

asyncio.run(main())
"""


CORES = ["ctrace", "pytrace", *(["sysmon"] if sys.version_info >= (3, 12) else [])]


def measured(folder: Path, core: str, *arguments: str) -> dict[str, Any]:
    """Return what is counted of the program, which is run with *arguments* of coverage.py."""
    program, report = folder / "program.py", folder / "report.json"
    program.write_text(PROGRAM, encoding="utf-8")
    (folder / ".coveragerc").touch()
    for command in (
        ["run", "--include", str(program), *arguments],
        ["json", "-q", "-o", str(report)],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *command],
            cwd=folder,
            env={**os.environ, "COVERAGE_CORE": core, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    (found,) = json.loads(report.read_text(encoding="utf-8"))["files"].values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("place", ["thread", "loop"])
@pytest.mark.parametrize("core", CORES)
def test_each_line_that_ran_is_counted(tmp_path: Path, core: str, place: str) -> None:
    found = measured(tmp_path, core, "--branch", "program.py", place)
    assert found["missing_lines"] == []
    assert found["summary"]["covered_lines"] > 30
    # The loop that a `break` ends.
    ((begin, _),) = found["missing_branches"]
    assert PROGRAM.splitlines()[begin - 1].lstrip().startswith("for word")
