"""The process that holds one contender: JSON lines in, JSON lines out.

``{"do": "check", "scenario": "a"}`` sends single requests and compares the answers, and
``{"do": "run", "scenario": "a", "count": 100}`` answers with the CPU seconds spent. It
runs in the contender's own environment, so it may import nothing but the standard library and, if
asked to, uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from . import _asgi, _client, _wsgi
from ._contenders import load
from ._scenarios import Answer, Headers, Scenario, TASKS

# A contender that hangs shows its stacks and dies; the driver notices and goes on without it.
PATIENCE = 60.0


class _Called:
    """What needs no event loop."""

    call: Callable[..., Answer]

    def __init__(self, applications: dict[str, Any], loop: str) -> None:
        self._applications = applications

    def run(self, scenario: Scenario, headers: Headers, count: int) -> Answer:
        return self.call(self._applications[scenario.app], scenario, headers, count)

    def close(self) -> None:
        pass


class _WSGIRunner(_Called):
    call = staticmethod(_wsgi.run)


class _ClientRunner(_Called):
    call = staticmethod(_client.run)


class _ASGIRunner:
    def __init__(self, applications: dict[str, Any], loop: str) -> None:
        self._applications = applications
        self._runner = asyncio.Runner(loop_factory=_loop_factory(loop))
        self._lifespans = {name: _asgi.Lifespan(app) for name, app in applications.items()}
        for lifespan in self._lifespans.values():
            self._runner.run(lifespan.start())

    def run(self, scenario: Scenario, headers: Headers, count: int) -> Answer:
        app = self._applications[scenario.app]
        return self._runner.run(_asgi.run(app, scenario, headers, count)).answer()

    def close(self) -> None:
        for lifespan in self._lifespans.values():
            self._runner.run(lifespan.stop())
        self._runner.close()


RUNNERS: dict[str, Any] = {"asgi": _ASGIRunner, "wsgi": _WSGIRunner, "client": _ClientRunner}


def _loop_factory(name: str) -> Any:
    return importlib.import_module(name).new_event_loop


class Worker:
    """Carries out commands on the applications of one contender."""

    def __init__(self, tasks: str, applications: dict[str, Any], interface: str, loop: str) -> None:
        self._scenarios = TASKS[tasks]
        self.runner = RUNNERS[interface](applications, loop)
        self._headers: dict[str, Headers] = {}

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            arguments = {key: value for key, value in command.items() if key != "do"}
            result: dict[str, Any] = getattr(self, f"do_{command['do']}")(**arguments)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            faulthandler.cancel_dump_traceback_later()
        return result

    def do_check(self, scenario: str) -> dict[str, Any]:
        asked = self._scenarios[scenario]
        self._headers[scenario] = asked.headers
        for _ in range(2):
            answer = self.runner.run(asked, self._headers[scenario], 1)
            if not asked.is_right(answer):
                return {"error": f"wrong answer: {answer.status} {answer.body[:80]!r}"}
            if asked.keep_cookie:
                self._headers[scenario] = (*asked.headers, (b"cookie", _cookie(answer)))
        return {}

    def do_run(self, scenario: str, count: int) -> dict[str, Any]:
        asked, headers = self._scenarios[scenario], self._headers[scenario]
        gc.collect()
        before = time.process_time()
        self.runner.run(asked, headers, count)
        return {"cpu": time.process_time() - before}


def _cookie(answer: Answer) -> bytes:
    values = (value for name, value in answer.headers if name.lower() == b"set-cookie")
    return b"; ".join(value.partition(b";")[0] for value in values)


def _private_stdout() -> TextIO:
    """Take standard output for the protocol; what the contender prints goes to stderr."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    return channel


def main() -> None:
    """Obey commands until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks")
    parser.add_argument("app")
    parser.add_argument("--patched", action="store_true")
    parser.add_argument("--interface", choices=tuple(RUNNERS), required=True)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), required=True)
    options = parser.parse_args()
    channel = _private_stdout()
    module = load(options.tasks, options.app, is_patched=options.patched)
    # A full collection before each turn need not walk through ten thousand routes.
    gc.collect()
    gc.freeze()
    worker = Worker(options.tasks, module.applications, options.interface, options.loop)
    for line in sys.stdin:
        channel.write(json.dumps(worker.obey(json.loads(line))) + "\n")
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    worker.runner.close()


if __name__ == "__main__":
    main()
