"""A server that sends files by itself, given their paths."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from _serving import environment, served

HERE = Path(__file__).parent
SIZE = 3_000_000
SOURCE = """\
{first}
import os
import shutil

from {module} import {name}, send_file

app = {name}(__name__)


@app.get("/<what>")
{view} view(what):
    return {wait}send_file({path!r}, conditional=what == "part")


@app.get("/once")
{view} once():
    shutil.copyfile({path!r}, {path!r} + "2")
    response = {wait}send_file({path!r} + "2")
    response.call_on_close(lambda: os.remove({path!r} + "2"))
    return response
"""
CORE = {"first": "", "module": "quart", "name": "Quart", "view": "async def", "wait": "await "}
LAYER = {"first": "import quart.flask_patch", "module": "flask", "name": "Flask", "wait": ""}


@pytest.mark.parametrize(
    "words", [CORE, LAYER | {"view": "def"}, LAYER | {"view": "async def"}], ids=str
)
def test_what_granian_sends_is_the_file(words: dict[str, str], tmp_path: Path) -> None:
    content = bytes(range(251)) * (SIZE // 251)
    (tmp_path / "file.bin").write_bytes(content)
    (tmp_path / "sending.py").write_text(SOURCE.format(path=str(tmp_path / "file.bin"), **words))
    command = ("granian", "--interface", "asgi", "sending:app", "--port", "{port}")
    with (
        served(command, tmp_path, environment(), tmp_path / "log") as server,
        httpx.Client(base_url=server.url, timeout=30, verify=False) as http,
    ):
        for _ in range(2):
            answer = http.get("/all")
            assert answer.content == content
            assert answer.headers["content-length"] == str(len(content))
            assert http.get("/once").content == content
            # The client may have it all before the end.
            while (tmp_path / "file.bin2").exists():
                time.sleep(0.001)
        part = http.get("/part", headers={"Range": "bytes=250-252"})
        assert (part.status_code, part.content) == (206, content[250:253])
        assert http.head("/all").headers["content-length"] == str(len(content))
