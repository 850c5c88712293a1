"""PostgreSQL in two processes: pools that add up, that outlive the database, and PgBouncer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from _serving import Server

from ._examples import command, example, EXAMPLES, make_tables
from ._services import PgBouncer, Postgres

pytestmark = pytest.mark.timeout(300)
WAYS = ("plain", "sqlalchemy", "asyncpg", "psycopg")


@contextmanager
def shop(python: str, tmp_path: Path, url: str, pool: int, **variables: str) -> Iterator[Server]:
    variables |= {"DATABASE_URL": url, "POOL": str(pool)}
    make_tables(python, **variables)
    with example(python, tmp_path / "log", command("--app-dir databases"), **variables) as server:
        yield server


async def ask_all(server: Server, count: int = 200) -> None:
    """Ask *count* times, 50 at a time, on connections of their own, in each way by turns."""
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=server.url, trust_env=False, timeout=60, limits=limits
    ) as client:
        paths = [f"/{WAYS[number % 4]}/items" for number in range(count)]
        answers = await asyncio.gather(*map(client.get, paths))
    wrong = [f"{each.url} {each.status_code} {each.text}" for each in answers if each.is_error]
    assert wrong == []
    assert {tuple(each.json()) for each in answers} == {("pear", "plum")}


def fill(server: Server) -> None:
    for name in ("pear", "plum"):
        answer = httpx.post(f"{server.url}/items/{name}", trust_env=False, timeout=60)
        assert answer.status_code == 201


def connections(postgres: Postgres) -> int:
    counted = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    return int(postgres.ask(counted)) - 1  # without the one that asks


def test_pools_add_up_and_outlive_the_database(
    python: str, postgres: Postgres, tmp_path: Path
) -> None:
    with shop(python, tmp_path, postgres.url, pool=4) as server:
        fill(server)
        asyncio.run(ask_all(server))
        # Two processes, four pools each.
        assert connections(postgres) <= 2 * 4 * 4
        postgres.kill()
        postgres.start()
        asyncio.run(ask_all(server))


def test_who_leaves_gives_back_a_connection(
    python: str, postgres: Postgres, tmp_path: Path
) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:

            async def leave() -> None:
                try:
                    async with asyncio.timeout(0.2):
                        await client.post("/sqlalchemy/fig/slowly")
                except TimeoutError:
                    pass

            await asyncio.gather(*(leave() for _ in range(40)))
            assert (await client.post("/sqlalchemy/plum/slowly")).status_code == 201

    with shop(python, tmp_path, postgres.url, pool=2) as server:
        answer = httpx.post(f"{server.url}/items/pear", trust_env=False, timeout=60)
        assert answer.status_code == 201
        asyncio.run(main())
        # What was not committed is not there.
        asyncio.run(ask_all(server, 20))


@contextmanager
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """The example's, with three connections."""
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        Path(name).chmod(0o755)
        folder = Path(name, "pgbouncer")
        folder.mkdir()
        text = (EXAMPLES / "databases/pgbouncer.ini").read_text(encoding="utf-8")
        text = text.replace("default_pool_size = 10", "default_pool_size = 3")
        service = PgBouncer(folder, text, postgres.port)
        service.start()
        try:
            yield service
        finally:
            service.stop()


def test_pgbouncer_has_many_clients_on_few_connections(
    python: str, postgres: Postgres, tmp_path: Path
) -> None:
    with (
        pgbouncer(postgres) as bouncer,
        shop(python, tmp_path, bouncer.url, pool=5, PGBOUNCER="yes") as server,
    ):
        fill(server)
        asyncio.run(ask_all(server))
        assert connections(postgres) <= 3


def test_a_newer_pgbouncer_keeps_prepared_statements(
    python: str, postgres: Postgres, tmp_path: Path
) -> None:
    with pgbouncer(postgres) as bouncer:
        if bouncer.version < (1, 24):
            pytest.skip("needs PgBouncer 1.24, which keeps them unless told otherwise")
        with shop(python, tmp_path, bouncer.url, pool=5) as server:
            fill(server)
            asyncio.run(ask_all(server))
            assert connections(postgres) <= 3
