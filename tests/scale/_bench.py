"""The examples with the services that they need, in a folder that goes away."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from _serving import environment_with, Server

from ._examples import example, EXAMPLES, instance, make_tables, running
from ._services import Nginx, PgBouncer, Postgres, Redis, Service


def environment_in(folder: Path) -> str:
    """A Python with all that the examples need."""
    return environment_with(folder, "--compile-bytecode", "-r", str(EXAMPLES / "requirements.txt"))


@dataclass(frozen=True)
class Bench:
    """A Python that has what the examples need, a folder, and what has been started."""

    python: str
    folder: Path
    stack: ExitStack

    def new_folder(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made

    def new_log(self) -> Path:
        return Path(tempfile.mkstemp(dir=self.folder, suffix=".log")[1])

    # The examples

    def serve(self, line: list[str], **variables: str) -> Server:
        return self.stack.enter_context(example(self.python, self.new_log(), line, **variables))

    def run(self, line: list[str], **variables: str) -> None:
        """What serves nothing, such as a worker for jobs."""
        log = self.new_log()
        self.stack.enter_context(running(self.python, line, lambda: True, log, **variables))

    # The services

    def start(self, service: Service) -> None:
        service.start()
        self.stack.callback(service.stop)

    def redis(self) -> Redis:
        service = Redis(self.new_folder("redis"))
        self.start(service)
        return service

    def nginx(self) -> tuple[Nginx, list[Popen[bytes]]]:
        """With the two processes that stand behind it."""
        folder = self.new_folder("nginx")
        (folder / "files").mkdir()
        (folder / "files/report.txt").write_text("for you alone\n")
        text = (EXAMPLES / "workers/nginx.conf").read_text(encoding="utf-8")
        text = text.replace("/run/yourapp/", f"{folder}/").replace("/srv/yourapp/", f"{folder}/")
        service = Nginx(folder, text)
        self.start(service)
        started = [
            self.stack.enter_context(
                instance(self.python, folder / f"{number}.sock", self.new_log())
            )
            for number in (1, 2)
        ]
        return service, started

    def postgres(self) -> Postgres:
        """With the example's tables."""
        service = Postgres(self.new_folder("postgres"))
        self.start(service)
        make_tables(self.python, DATABASE_URL=service.url)
        return service

    def pgbouncer(self, postgres: Postgres) -> PgBouncer:
        text = (EXAMPLES / "databases/pgbouncer.ini").read_text(encoding="utf-8")
        service = PgBouncer(self.new_folder("pgbouncer"), text, postgres.port)
        self.start(service)
        return service
