"""The sides: the same application on genuine Flask and on the layer, each in its own process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .answers import Answer, ask, Patience
from .carrying import Conversation
from .documents import as_list, as_text
from .folders import copy_folder
from .measures import Usage, usage
from .recorded import CompareError, Headers, Recorded
from .tokens import Tokens

SCRIPT = Path(__file__).with_name("serve.py")
ASGI = ("hypercorn", "uvicorn", "granian", "daphne")
WSGI = ("gunicorn", "waitress", "werkzeug")
#: Servers that cannot take over a socket that already listens.
BINDING = {"granian"}
#: Seconds in which a server must end when it is asked to.
ENDING = 8.0
#: Seconds to wait for a server to end by itself, after it gave no answer.
SETTLING = 1.0


@dataclass(frozen=True)
class Plan:
    """How to serve one side."""

    app: str
    server: str
    place: str = ""
    source: Path = field(default_factory=Path.cwd)
    python: str = sys.executable
    copies: bool = True
    setup: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    is_reference: bool = False

    @property
    def on_layer(self) -> bool:
        return self.server in ASGI

    @property
    def name(self) -> str:
        face = "layer" if self.on_layer else "flask"
        if self.on_layer and self.is_reference:
            face = "reference, layer"  # another side may be the same otherwise
        server = "" if self.server == "wsgi" else f" {self.server}"
        return f"{face}{server} {self.place}".strip()


class Side:
    """One side with its folder; starts its process, asks it and ends it."""

    def __init__(self, plan: Plan, root: Path, token_names: frozenset[str]) -> None:
        self.plan, self.name, self.root = plan, plan.name, root
        self.data, self.log, self.state = root / "data", root / "log", root / "state.json"
        self.token_names = token_names
        self.conversations: dict[str, Conversation] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.told: dict[str, object] = {}
        self.begun: Usage | None = None
        self.sent = 0

    @property
    def folder(self) -> Path:
        return self.root / "app" if self.plan.copies else self.plan.source

    @property
    def paths(self) -> list[str]:
        return [path for path in as_list(self.told.get("routes")) if isinstance(path, str)]

    @property
    def server(self) -> str:
        return as_text(self.told.get("server")) or self.plan.server

    def environment(self) -> dict[str, str]:
        before, now = str(self.plan.source), str(self.folder)
        fixed = {
            "COMPARE_SIDE": "layer" if self.plan.on_layer else "flask",
            "COMPARE_FOLDER": str(self.data),
            "FLASK_DEBUG": "0",
            "FLASK_RUN_FROM_CLI": "true",
            "PYTHONHASHSEED": "0",  # sets are in one order on all sides
            "PYTHONUNBUFFERED": "1",
        }
        env = {**os.environ, **fixed}
        env.pop("QUART_SYNC_PLACE", None)
        if self.plan.place:
            env["QUART_SYNC_PLACE"] = self.plan.place
        if "PYTHONPATH" in env:
            paths = env["PYTHONPATH"].split(os.pathsep)
            moved = [now + p[len(before) :] if Path(p).is_relative_to(before) else p for p in paths]
            env["PYTHONPATH"] = os.pathsep.join(moved)
        for name, value in self.plan.variables.items():
            env[name] = value.replace("{folder}", str(self.data)).replace("{side}", self.name)
        return env

    # --- start and end -------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folder and run the setup in it."""
        self.data.mkdir(parents=True)
        if self.plan.copies:
            copy_folder(self.plan.source, self.folder)
        if self.plan.setup is None:
            return
        done = subprocess.run(
            self.plan.setup,
            shell=True,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise CompareError(
                f"The setup for {self.name} ended with status {done.returncode}:"
                f" {self.plan.setup}\n{_tail(done.stdout + done.stderr)}"
            )

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        with listener:
            self.port = int(listener.getsockname()[1])
            binds = self.plan.server in BINDING
            if binds:
                listener.close()
            plan = {
                "app": self.plan.app,
                "server": self.plan.server,
                "layer": self.plan.on_layer,
                "from": str(self.plan.source),
                "state": str(self.state),
                "port": self.port,
                "fd": None if binds else listener.fileno(),
            }
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [self.plan.python, str(SCRIPT), json.dumps(plan)],
                    cwd=self.folder,
                    env=self.environment(),
                    pass_fds=() if binds else (listener.fileno(),),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def wait_until_ready(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.state.exists() or (self.plan.server in BINDING and not self._listens()):
            if self.has_ended or time.monotonic() > until:
                break
            time.sleep(0.02)
        if self.state.exists():
            self.told = json.loads(self.state.read_text("utf-8"))
        if not self.told or "error" in self.told:
            ended = "ended" if self.has_ended else f"was not ready within {seconds:g} seconds"
            why = as_text(self.told.get("error")) or f"its process {ended}\n{self.output()}"
            raise CompareError(f"{self.plan.app} cannot be served on {self.name}: {why}")
        self.begun = self.usage()

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def began_anew(self) -> bool:
        """Whether another process has taken the place of the one that served until now.

        It waits for a moment: a server that is about to end, or to begin anew, has then done so.
        """
        before = self.told.get("pid")
        is_gone = self.begun is not None and self.usage() is None
        until = time.monotonic() + (ENDING if is_gone else SETTLING)
        while not self.has_ended and time.monotonic() < until:
            time.sleep(0.05)
            self.told = json.loads(self.state.read_text("utf-8"))
            if self.told.get("pid") not in (None, before):
                self.begun, self.sent = self.usage(), 0
                return True
        return False

    def output(self) -> str:
        return _tail(self.log.read_text("utf-8", "replace")) if self.log.exists() else ""

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # End its workers too, which it may have left behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()

    # --- asking --------------------------------------------------------------------------------

    def conversation(self, client: str) -> Conversation:
        if client not in self.conversations:
            self.conversations[client] = Conversation(Tokens(self.token_names))
        return self.conversations[client]

    def ask(self, recorded: Recorded, host: str, added: Headers, patience: Patience) -> Answer:
        conversation = self.conversation(recorded.client)
        sent = conversation.prepare(recorded, host, added)
        answer = ask(self.port, sent.method, sent.path, sent.headers, sent.body, patience)
        conversation.heed(recorded, answer)
        self.sent += 1
        return answer

    def literals(self, client: str) -> dict[str, str]:
        """Return texts that appear only in this side's answers, with a name for each."""
        seen = sorted(self.conversation(client).tokens.current(), key=len, reverse=True)
        return {
            str(self.root): "folder",
            f"127.0.0.1:{self.port}": "host",
            f"localhost:{self.port}": "host",
            **dict.fromkeys((token for token in seen if len(token) >= 8), "tokens"),
        }

    def usage(self) -> Usage | None:
        pid = self.told.get("pid")
        return usage(pid) if isinstance(pid, int) else None

    def cpu_since(self) -> float:
        """Return the CPU seconds since it began; infinity if this system cannot tell."""
        now = self.usage()
        return now.cpu - self.begun.cpu if now and self.begun else float("inf")

    def is_outside(self) -> bool:
        """Whether the application was not loaded from the copy."""
        root = as_text(self.told.get("root"))
        return self.plan.copies and not Path(root).is_relative_to(self.folder.resolve())


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-12:])


def stop_all(sides: Sequence[Side]) -> None:
    """Ask all sides to end before waiting for any."""
    for side in sides:
        if side.process is not None and not side.has_ended:
            side.process.terminate()
    for side in sides:
        side.stop()
