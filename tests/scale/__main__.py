"""``python -m tests.scale [PART ...]``: what each part of `docs/scaling.md` holds, as ratios.

Two things that answer the same take turns, a few seconds each, three times; of both the medians are
compared: requests in a second, and processor time of a request. `--write-docs` puts the table
into the page. The client runs on the same processors.

``python -m tests.scale --serve RECIPE`` serves one of the examples with all that it needs.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack, suppress
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from scale._bench import Bench, environment_in  # noqa: E402
from scale._examples import command, FOLDERS, workers  # noqa: E402
from scale._measuring import Asked, compare, Compared, Heard, page_with  # noqa: E402
from scale._recipes import RECIPES  # noqa: E402


def asked(bench: Bench, path: str, line: list[str], **variables: str) -> Asked:
    server = bench.serve(line, **variables)
    return Asked(server.url + path, [server.process.pid])


def processes(bench: Bench) -> Iterator[Compared]:
    lines = {name: workers(name) for name in FOLDERS}
    on_asyncio = [part for part in lines["hypercorn"] if part not in ("--worker-class", "uvloop")]
    lines["hypercorn without uvloop"] = on_asyncio
    for name, line in lines.items():
        one = ["1" if part == "2" else part for part in line]
        two_of_them = asked(bench, "/count", line)
        yield compare(
            f"two processes of {name}, a view that computes",
            "one",
            two_of_them,
            asked(bench, "/count", one),
        )


def nginx(bench: Bench) -> Iterator[Compared]:
    service, instances = bench.nginx()
    behind = Asked(f"http://127.0.0.1:{service.port}/shop/", [each.pid for each in instances])
    without = asked(bench, "/", workers("uvicorn"))
    yield compare("nginx before two processes, a small answer", "without it", behind, without)


def sessions(bench: Bench) -> Iterator[Compared]:
    line = command("--app-dir sessions")
    with_session = asked(bench, "/visits", line, REDIS_URL=bench.redis().url)
    cached = Asked(with_session.url.replace("/visits", "/report"), with_session.pids)
    yield compare("a session of Flask-Session", "a page from Flask-Caching", with_session, cached)


def databases(bench: Bench) -> Iterator[Compared]:
    postgres = bench.postgres()
    line = command("--app-dir databases")
    plain = asked(bench, "/plain/items", line, DATABASE_URL=postgres.url, POOL="4")
    for way, title in {
        "sqlalchemy": "SQLAlchemy's asyncio in an async view",
        "asyncpg": "asyncpg",
        "psycopg": "psycopg",
    }.items():
        other = Asked(plain.url.replace("plain", way), plain.pids)
        yield compare(title, "Flask-SQLAlchemy in a plain view", other, plain)
    variables = {"DATABASE_URL": bench.pgbouncer(postgres).url, "PGBOUNCER": "yes"}
    behind = asked(bench, "/psycopg/items", line, POOL="4", **variables)
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
    parser.add_argument("--serve", choices=RECIPES, help="serve a recipe with all that it needs")
    chosen = parser.parse_args()
    if chosen.serve:
        serve(RECIPES[chosen.serve])
    else:
        measure(chosen.parts or [*PARTS], is_written=chosen.write_docs)


def serve(recipe: Callable[[Bench], list[str]]) -> None:
    """Until it is told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say("An environment is made for it, and what it needs is started.")
    try:
        with suppress(KeyboardInterrupt), fresh_bench() as bench:
            say("\n".join(["It is served. Ask it, and end it by Ctrl-C:", *recipe(bench)]))
            signal.pause()
    except pytest.skip.Exception as skipped:
        sys.exit(str(skipped))


def measure(names: list[str], *, is_written: bool) -> None:
    found: list[Compared] = []
    for name in names:
        try:
            with fresh_bench() as bench:
                for compared in PARTS[name](bench):
                    say(compared.row)
                    found.append(compared)
        except pytest.skip.Exception as skipped:
            say(f"{name}: {skipped}")
    if is_written:
        page = TESTS.parent / "docs/scaling.md"
        page.write_text(page_with(page.read_text(encoding="utf-8"), found), encoding="utf-8")


@contextmanager
def fresh_bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="scale-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own
        yield Bench(environment_in(folder), folder, stack)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
