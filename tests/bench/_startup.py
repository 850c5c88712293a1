"""How long it takes to import a framework, and until an application answers."""

from __future__ import annotations

import http.client
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ._contenders import Contender, versus
from ._driver import Failure
from ._environments import ROOT, versions
from ._processors import apart, started_on
from ._report import grid, machine, Section, Table, Target
from ._samples import Samples, turns
from ._servers import free_port, PATIENCE
from ._settings import Settings
from ._wrk import as_lists

_EXAMPLES = ROOT / "docs" / "examples"
_BARE, _IMPORT = "an interpreter that does nothing", "the same, and the framework is imported"
_MADE = "the same, and the demo application is made"
_SERVED = "the demo, from its command to its first answer"
_ALONE = "the import alone, processor time"
_TURNS = 15
_BOTH = "layer-thread", "flask"
_NAMES = ("quart", "layer-thread", "flask", "starlette", "quart022")
_IMPORTS = {
    "quart": "import quart",
    "layer-thread": "import quart.flask_patch, flask",
    "flask": "import flask",
    "starlette": "import starlette.applications",
    "quart022": "import quart",
}
# The demo is an ordinary Flask application: these two run the same files.
_MAKES = {name: f"{_IMPORTS[name]}; from notes import create_app; create_app()" for name in _BOTH}
_DEMO = ("--app", "notes:create_app", "run", "--port", "{port}")
_COMMANDS = {"layer-thread": ("quart_flask_patch", *_DEMO), "flask": ("flask", *_DEMO)}


def run(settings: Settings) -> Section:
    """New interpreters in turns; the fastest of each is what it takes, the rest is the machine."""
    contenders = settings.chosen(*_NAMES)
    found, faults = Samples(), list[str]()
    with tempfile.TemporaryDirectory(prefix="bench-demo-") as folder:
        # The first round compiles what is not compiled yet.
        for contender in turns(contenders, settings.rounds_or(5) + 1):
            settings.say(contender.title)
            try:
                for row, seconds in _measured(contender, Path(folder)):
                    found.add(row, contender.name, seconds * 1000)
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                faults.append(f"{contender.name}: {failure}")
    alone = _alone(settings, contenders, faults)
    rows = {row: row for row in (_BARE, _IMPORT, _MADE, _SERVED)}
    fastest = Samples({cell: [min(values)] for cell, values in found.items()})
    return Section(
        f"Wall time, least of {settings.rounds_or(5) + 1} new processes; processor time, median of"
        f" {settings.rounds_or(_TURNS)}; {machine()}; "
        + versions("flask", "quart-flask-patch", "starlette", "quart", "hypercorn"),
        [
            Table(
                "Milliseconds",
                contenders,
                grid(rows, contenders, fastest.median)
                + grid({_ALONE: _ALONE}, contenders, alone.median),
            )
        ],
        [
            Target(versus(_ALONE, *_BOTH), 1.3, alone.ratio(_ALONE, *_BOTH), is_main=True),
            *(
                Target(versus(row, *_BOTH), 1.5, fastest.ratio(row, *_BOTH))
                for row in (_MADE, _SERVED)
            ),
        ],
        faults=faults,
        data=as_lists(Samples({**found, **alone})),
    )


def _alone(settings: Settings, contenders: Sequence[Contender], faults: list[str]) -> Samples:
    """What the import adds to an interpreter, in turns, since two are compared in each."""
    found = Samples()
    for contender in turns(contenders, settings.rounds_or(_TURNS)):
        try:
            found.add(_ALONE, contender.name, _processor_seconds(contender) * 1000)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            faults.append(f"{contender.name}: {failure}")
    return found


def _processor_seconds(contender: Contender) -> float:
    source = f"from time import process_time as now; began = now(); {_IMPORTS[contender.name]}"
    command = [str(contender.environment.python()), "-c", f"{source}; print(now() - began)"]
    processor, _ = apart()
    with started_on(processor):
        return float(_printed(command, contender.environ()))


def _measured(contender: Contender, folder: Path) -> Iterator[tuple[str, float]]:
    environ = contender.environ()
    environ |= {"NOTES_DATABASE": str(folder / "notes.sqlite"), "PYTHONPATH": str(_EXAMPLES)}
    python, name = str(contender.environment.python()), contender.name
    yield _BARE, _seconds([python, "-c", ""], environ)
    yield _IMPORT, _seconds([python, "-c", _IMPORTS[name]], environ)
    if name in _MAKES:
        yield _MADE, _seconds([python, "-c", _MAKES[name]], environ)
        yield _SERVED, _seconds_to_answer([python, "-m", *_COMMANDS[name]], environ)


def _seconds(command: Sequence[str], environ: Mapping[str, str]) -> float:
    started = time.perf_counter()
    _printed(command, environ)
    return time.perf_counter() - started


def _printed(command: Sequence[str], environ: Mapping[str, str]) -> bytes:
    ran = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, check=False)
    if ran.returncode:
        raise Failure(f"{command[-1]}: {ran.stderr.decode(errors='replace')[-500:]}")
    return ran.stdout


def _seconds_to_answer(command: Sequence[str], environ: Mapping[str, str]) -> float:
    port = free_port()
    started = time.perf_counter()
    server = subprocess.Popen(
        [word.format(port=port) for word in command],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() < started + PATIENCE and server.poll() is None:
            with suppress(OSError):
                return _answer(port) - started
            time.sleep(0.005)
    finally:
        server.kill()
        server.wait()
    raise Failure(f"{' '.join(command)} did not answer in {PATIENCE:.0f} s")


def _answer(port: int) -> float:
    """When the whole answer was there, which sends a stranger to the login page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    if response.status != 302:
        raise Failure(f"expected the demo to redirect, got {response.status}")
    return time.perf_counter()
