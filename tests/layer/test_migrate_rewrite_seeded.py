"""None of the calls that block is left on the event loop, as the layer's own report sees it."""

from __future__ import annotations

import http.server
import importlib.util
import logging
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.routing import Rule

from quart_flask_patch.migrate.rewrite.run import rewrite, write

from ._asgi import fetch, run

SEEDED = Path(__file__).parent.parent / "data" / "rewriting" / "seeded.py"
COUNT = 31
#: What the application is told from; its calls take longer than this.
HELD = 0.06
NAP = 0.12


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(NAP)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Serve what takes its time: HTTP, and a port that accepts and says nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fifo = tmp_path_factory.mktemp("slow") / "fifo"
    os.mkfifo(fifo)
    with server, socket.create_server(("127.0.0.1", 0)) as silent:
        yield {
            "http": f"http://127.0.0.1:{server.server_port}/",
            "host": "127.0.0.1",
            "port": silent.getsockname()[1],
            "fifo": str(fifo),
        }
        server.shutdown()


def write_slowly(fifo: str) -> threading.Thread:
    def work() -> None:
        time.sleep(NAP)
        Path(fifo).write_text("done", "utf-8")

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def imported(file: Path, slow: dict[str, Any]) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SLOW.update(slow)
    module.app.config.update(TESTING=True, SLOW_CALLBACK_DURATION=HELD)
    return module


def reported(
    module: ModuleType, slow: dict[str, Any], caplog: pytest.LogCaptureFixture, tries: int = 3
) -> set[str]:
    """Ask every view, and return the endpoints of those that held the loop."""
    rules = [rule for rule in module.app.url_map.iter_rules() if rule.endpoint != "static"]
    # A machine that is busy holds the loop as well, but not each time.
    return {
        rule.endpoint
        for rule in rules
        if all(holds(module, rule, slow, caplog) for _ in range(tries))
    }


def holds(
    module: ModuleType, rule: Rule, slow: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> bool:
    caplog.clear()
    writer = write_slowly(slow["fifo"]) if rule.endpoint == "file" else None
    with caplog.at_level(logging.WARNING):
        answer = run(fetch(module.app, rule.rule))
    if writer is not None:
        writer.join()
    assert (answer.status, answer.text.strip()) == (200, "done"), rule.endpoint
    return "has held the event loop" in caplog.text


def test_the_report_sees_each_call_if_nothing_is_done_about_it(
    tmp_path: Path, slow: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """So that the next test has something to say."""
    file = tmp_path / "naive.py"
    views = re.compile(
        r"(?m)^((?:@app\.get|@shop\.get)\(.*\)\n(?:@logged\n)?)def|^(    )def (?=get)"
    )
    naive = views.sub(
        lambda found: f"{found[1] or found[2]}async def{' ' * bool(found[2])}",
        SEEDED.read_text("utf-8"),
    )
    file.write_text(naive, "utf-8")
    module = imported(file, slow)
    endpoints = {rule.endpoint for rule in module.app.url_map.iter_rules()} - {"static"}
    assert len(endpoints) == COUNT
    # The report is about the request, and not about the pieces of its answer.
    assert reported(module, slow, caplog, tries=1) == endpoints - {"streamed"}


def test_no_seeded_call_is_left_on_the_loop(
    tmp_path: Path, slow: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(shutil.copy(SEEDED, tmp_path))
    outcome = rewrite(tmp_path, "async", ())
    write(outcome.files)
    assert outcome.counts() == {"rewritten": COUNT, "unchanged": 0, "left": 0}
    assert reported(imported(file, slow), slow, caplog) == set()
    apart = {view.name for view in outcome.views if view.runs_in == "own-loop"}
    # All else is awaited on the server's loop.
    assert apart == {
        *("lazily", "by_key", "streamed", "decorated", "opened"),
        *("flask_sqlalchemy", "driver"),
    }
