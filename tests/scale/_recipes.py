"""Each recipe, served with all that it needs, and what to ask it."""

from __future__ import annotations

from collections.abc import Callable

from ._bench import Bench
from ._examples import command, FOLDERS, workers

Told = list[str]


def server(name: str) -> Callable[[Bench], Told]:
    def recipe(bench: Bench) -> Told:
        url = bench.serve(workers(name)).url
        return [f"curl {url}/", f"curl {url}/ready", f"curl --no-buffer {url}/events"]

    return recipe


def nginx(bench: Bench) -> Told:
    url = f"http://127.0.0.1:{bench.nginx()[0].port}/shop"
    return [
        f"curl {url}/",
        f"curl {url}/ready",
        f"curl {url}/file/report.txt",
        f"curl --no-buffer {url}/events",
    ]


def at_most_once(bench: Bench) -> Told:
    server = bench.serve(command("uvicorn", "at_most_once:app"), REDIS_URL=bench.redis().url)
    return [f"curl {server.url}/ready", f"python -m websockets ws://127.0.0.1:{server.port}/chat"]


def in_full(bench: Bench) -> Told:
    server = bench.serve(command("uvicorn", "in_full:app"), REDIS_URL=bench.redis().url)
    url = server.url
    return [
        f"curl {url}/ready",
        f"curl --request POST --header 'Idempotency-Key: 1' --data hello {url}/messages",
        f"curl --no-buffer --header 'Last-Event-ID: 0-1' {url}/events",
        f"python -m websockets 'ws://127.0.0.1:{server.port}/chat?after=0-1'",
    ]


def sessions(bench: Bench) -> Told:
    url = bench.serve(command("--app-dir sessions"), REDIS_URL=bench.redis().url).url
    return [
        f"curl --cookie-jar jar --cookie jar {url}/visits",
        f"curl {url}/report",
        f"curl --request POST {url}/code",
    ]


def jobs(bench: Bench) -> Told:
    """With a worker of Celery and one of RQ."""
    redis = bench.redis()
    variables = {"REDIS_URL": redis.url, "CLEAN_UP_SECONDS": "5"}
    for line in (command("celery ", "worker"), command("rq_worker")):
        bench.run(line, **variables)
    url = bench.serve(command("--app-dir jobs"), **variables).url
    asked = (f"redis-cli -u {redis.url} lrange {name} 0 -1" for name in ("reports", "cleaned"))
    return [f"curl --request POST {url}/celery/1", f"curl --request POST {url}/rq/2", *asked]


def databases(bench: Bench, *, is_behind_pgbouncer: bool = False) -> Told:
    postgres = bench.postgres()
    variables = {"DATABASE_URL": postgres.url}
    if is_behind_pgbouncer:
        variables = {"DATABASE_URL": bench.pgbouncer(postgres).url, "PGBOUNCER": "yes"}
    url = bench.serve(command("--app-dir databases"), **variables).url
    ways = ("plain", "sqlalchemy", "asyncpg", "psycopg")
    return [f"curl --request POST {url}/items/pear", *(f"curl {url}/{way}/items" for way in ways)]


def pgbouncer(bench: Bench) -> Told:
    return databases(bench, is_behind_pgbouncer=True)


RECIPES: dict[str, Callable[[Bench], Told]] = {
    **{name: server(name) for name in FOLDERS},
    **{
        each.__name__: each
        for each in (nginx, at_most_once, in_full, sessions, jobs, databases, pgbouncer)
    },
}
