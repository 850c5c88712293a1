"""Find what blocks the event loop in a test run, and compare it with a baseline."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import CodeType, FrameType
from typing import TYPE_CHECKING

from quart._frames import package_of
from quart._watching.chain import running
from quart._watching.stack import yours

from . import known_calls, watch

if TYPE_CHECKING:
    from quart.ctx import AppContext

    from .measures import Visit

#: A function, its file and the line.
_Where = tuple[str, str, int]
#: The name in a report if no single known call took the time.
HELD = "the loop is held"
_HEAD = """\
# Calls that block the event loop, and are accepted for now: endpoint, call, function and file.
# Written by --blocking-baseline-write, which keeps what you say after two spaces and a #.
"""


@dataclass(frozen=True, slots=True)
class Blocking:
    """A call that blocked the event loop, in the request of an endpoint."""

    endpoint: str
    call: str
    function: str
    file: str
    line: int
    seconds: float

    @property
    def key(self) -> str:
        """The entry for a baseline: what stays the same when lines move."""
        return f"{self.endpoint}: {self.call} in {self.function} ({self.file})"

    def __str__(self) -> str:
        took = f"{self.seconds * 1000:.1f} ms"
        return f"{self.file}:{self.line}: {self.endpoint}: {self.call} in {self.function}, {took}"


class Checker:
    """Takes the steps of requests on the loop, and reports what blocks there."""

    def __init__(
        self, root: Path, found: Callable[[Blocking], None], seconds: float | None = None
    ) -> None:
        self._root, self._found, self._seconds = root, found, seconds

    def step(
        self, ctx: AppContext, visit: Visit, step: Callable[[object], object], value: object
    ) -> object:
        known = 0.0
        late: list[_Where | None] = []

        def tell(call: str, seconds: float, frame: FrameType) -> None:
            nonlocal known
            if frames := yours(running(frame)):
                known += seconds
                self._note(ctx, call, self._where(frames), seconds)

        # Work out the place at once, as the frames go on running.
        watched = watch.begin(
            ctx,
            self._seconds or watch.limit_of(ctx.app),
            lambda _, frames: late.append(self._where(frames) if frames else None),
        )
        before, begun = known_calls.tell(tell), perf_counter()
        try:
            return step(value)
        finally:
            took = perf_counter() - begun
            known_calls.tell(before)
            watch.end(watched)
            visit.on_loop += took
            visit.longest_step = max(visit.longest_step, took)
            # Report the step unless known calls, reported already, took the time.
            if took - known >= watched.seconds:
                # The watching thread may not have had a turn.
                where = late[0] if late else self._view_of(ctx)
                if where is not None:
                    self._note(ctx, HELD, where, took)

    def _where(self, frames: list[FrameType]) -> _Where:
        """Return the last line of the application's own code."""
        own = [frame for frame in frames if _is_yours(frame.f_code.co_filename)]
        frame = (own or frames)[-1]
        return self._place(frame.f_code, frame.f_lineno)

    def _view_of(self, ctx: AppContext) -> _Where | None:
        endpoint = None if ctx.connection is None else ctx.connection.endpoint
        view = ctx.app.view_functions.get(endpoint or "")
        code = None if view is None else getattr(inspect.unwrap(view), "__code__", None)
        return None if code is None else self._place(code, code.co_firstlineno)

    def _place(self, code: CodeType, line: int) -> _Where:
        file = code.co_filename
        if Path(file).is_relative_to(self._root):
            file = os.path.relpath(file, self._root)
        return code.co_qualname, file.replace(os.sep, "/"), line

    def _note(self, ctx: AppContext, call: str, where: _Where, seconds: float) -> None:
        endpoint = None if ctx.connection is None else ctx.connection.endpoint
        self._found(Blocking(endpoint or "no endpoint", call, *where, seconds))


def _is_yours(file: str) -> bool:
    # Generated code has no file.
    return package_of(file) is None and not file.startswith("<")


def read_baseline(path: Path) -> dict[str, str]:
    """Return a baseline's entries with their comments; an empty dict if there is no file."""
    if not path.exists():
        return {}
    lines = path.read_text("utf-8").splitlines()
    entries = [line.partition("  #") for line in lines if line.strip() and line[0] != "#"]
    return {entry.rstrip(): said.strip() for entry, _, said in entries}


def write_baseline(path: Path, keys: Iterable[str]) -> None:
    """Write *keys* as a baseline, keeping the comments that the file has."""
    said = read_baseline(path)
    lines = [f"{key}  # {said[key]}" if said.get(key) else key for key in sorted(set(keys))]
    path.write_text(_HEAD + "".join(f"{line}\n" for line in lines), "utf-8")
