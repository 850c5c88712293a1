"""``python -m tests.scale [PART ...]``: what each part of `docs/scaling.md` holds, as ratios.

Two things that answer the same take turns, a few seconds each, three times; of both the medians are
compared: requests in a second, and processor time of a request. `--write-docs` puts the table
into the page. The client runs on the same processors.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from _serving import environment, environment_with, Server  # noqa: E402
from scale._examples import command, example, EXAMPLES, FOLDERS, instance, workers  # noqa: E402
from scale._measuring import Asked, compare, Compared, Heard, page_with  # noqa: E402
from scale._services import Nginx, PgBouncer, Postgres, Redis  # noqa: E402


class Bench:
    """An environment, a folder, and what has been started."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        requirements = str(EXAMPLES / "requirements.txt")
        self.folder, self.stack = folder, stack
        self.python = environment_with(folder, "--compile-bytecode", "-r", requirements)

    def new_folder(self, name: str) -> Path:
        made = self.folder / name
        made.mkdir()
        return made

    def serve(self, line: list[str], **variables: str) -> Server:
        log = Path(tempfile.mkstemp(dir=self.folder)[1])
        return self.stack.enter_context(example(self.python, log, line, **variables))

    def asked(self, path: str, line: list[str], **variables: str) -> Asked:
        server = self.serve(line, **variables)
        return Asked(server.url + path, [server.process.pid])

    def redis(self) -> Redis:
        service = Redis(self.new_folder("redis"))
        service.start()
        self.stack.callback(service.stop)
        return service


def processes(bench: Bench) -> Iterator[Compared]:
    for name in FOLDERS:
        line = workers(name)
        one = [part.replace("2", "1") if part == "2" else part for part in line]
        two_of_them = bench.asked("/count", line)
        yield compare(
            f"two processes of {name}, a view that computes",
            "one",
            two_of_them,
            bench.asked("/count", one),
        )


def nginx(bench: Bench) -> Iterator[Compared]:
    folder = bench.new_folder("nginx")
    text = (EXAMPLES / "workers/nginx.conf").read_text(encoding="utf-8")
    text = text.replace("/run/yourapp/", f"{folder}/")
    service = Nginx(folder, text)
    service.start()
    bench.stack.callback(service.stop)
    pids = []
    for number in (1, 2):
        path, log = folder / f"{number}.sock", folder / f"{number}.log"
        pids.append(bench.stack.enter_context(instance(bench.python, path, log)).pid)
    behind = Asked(f"http://127.0.0.1:{service.port}/shop/", pids)
    line = workers("uvicorn")
    yield compare(
        "nginx before two processes, a small answer", "without it", behind, bench.asked("/", line)
    )


def sessions(bench: Bench) -> Iterator[Compared]:
    line = command("--app-dir sessions")
    with_session = bench.asked("/visits", line, REDIS_URL=bench.redis().url)
    cached = Asked(with_session.url.replace("/visits", "/report"), with_session.pids)
    yield compare("a session of Flask-Session", "a page from Flask-Caching", with_session, cached)


def databases(bench: Bench) -> Iterator[Compared]:
    folder = bench.new_folder("postgres")
    bench.folder.chmod(0o755)
    postgres = Postgres(folder)
    postgres.start()
    bench.stack.callback(postgres.stop)
    variables = {"DATABASE_URL": postgres.url, "POOL": "4"}
    env = environment(**variables) | {"PYTHONWARNINGS": "default"}
    made = [bench.python, *command("init-db")[1:]]
    subprocess.run(made, cwd=EXAMPLES, env=env, check=True)
    line = command("--app-dir databases")
    plain = bench.asked("/plain/items", line, **variables)
    for way, title in {
        "sqlalchemy": "SQLAlchemy's asyncio in an async view",
        "asyncpg": "asyncpg",
        "psycopg": "psycopg",
    }.items():
        other = Asked(plain.url.replace("plain", way), plain.pids)
        yield compare(title, "Flask-SQLAlchemy in a plain view", other, plain)
    bouncer_folder = bench.new_folder("pgbouncer")
    text = (EXAMPLES / "databases/pgbouncer.ini").read_text(encoding="utf-8")
    bouncer = PgBouncer(bouncer_folder, text, postgres.port)
    bouncer.start()
    bench.stack.callback(bouncer.stop)
    behind = bench.asked(
        "/psycopg/items", line, DATABASE_URL=bouncer.url, POOL="4", PGBOUNCER="yes"
    )
    direct = Asked(plain.url.replace("plain", "psycopg"), plain.pids)
    yield compare("psycopg through PgBouncer", "without it", behind, direct)


def broadcast(bench: Bench) -> Iterator[Compared]:
    url = bench.redis().url
    at_once, in_full = (
        bench.serve(command("uvicorn", f"{module}:app"), REDIS_URL=url)
        for module in ("at_most_once", "in_full")
    )
    yield compare(
        "a message to 500 clients, from a stream of Redis",
        "publish and subscribe",
        Heard(in_full),
        Heard(at_once),
    )


PARTS: dict[str, Callable[[Bench], Iterator[Compared]]] = {
    each.__name__: each for each in (processes, nginx, sessions, databases, broadcast)
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--write-docs", action="store_true", help="update docs/scaling.md")
    chosen = parser.parse_args()
    found: list[Compared] = []
    for name in chosen.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="scale-") as folder, ExitStack() as stack:
            try:
                for compared in PARTS[name](Bench(Path(folder), stack)):
                    say(compared.row)
                    found.append(compared)
            except pytest.skip.Exception as skipped:
                say(f"{name}: {skipped}")
    if chosen.write_docs:
        page = TESTS.parent / "docs/scaling.md"
        page.write_text(page_with(page.read_text(encoding="utf-8"), found), encoding="utf-8")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
