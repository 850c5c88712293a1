"""How the applications of these tests are served."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _serving import environment as environment, PATIENCE, served as served, Server as Server

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@dataclass(frozen=True)
class Serving:
    """How an application is served: by which server, and where its plain views run."""

    server: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.server}-{self.place}" if self.place else self.server

    @property
    def command(self) -> list[str]:
        """The command that serves the notes; `{port}` stands for the port."""
        return {
            "flask": ["flask", "--app", "notes:create_app", "run", "--port", "{port}"],
            "hypercorn": runner("notes:create_app", "run", "--port", "{port}"),
            "uvicorn": ["uvicorn", "asgi:app", "--port", "{port}"],
        }[self.server]


PLAIN = Serving("flask")
LIVE = [
    Serving(server, place) for server in ("hypercorn", "uvicorn") for place in ("thread", "loop")
]


def runner(app: str, *arguments: str) -> list[str]:
    """The command of ours that runs a Flask application without a change in it."""
    return ["quart_flask_patch", "--app", app, *arguments]


def run_module(arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    """Run `python -m ...` to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, f"{arguments} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def serving_notes(serving: Serving, folder: Path, **variables: str) -> Iterator[Server]:
    """Serve the example application with a new database in *folder*."""
    database = folder / "notes.sqlite"
    env = environment(
        serving.place, NOTES_DATABASE=str(database), NOTES_SUMMARY_SECONDS="0.3", **variables
    )
    with served(serving.command, EXAMPLES, env, folder / f"{serving}.log") as server:
        server.database = database
        yield server
