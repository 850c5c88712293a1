"""A PostgreSQL server of our own in a temporary folder, filled with films."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ._servers import free_port, require_linux
from ._settings import Skipped

FILMS, ACTORS, ROLES, CATEGORIES = 1000, 200, 5462, 16
# Commits do not wait for the disk, whose speed is not what is measured.
_OPTIONS = "-c fsync=off -c synchronous_commit=off -c max_connections=300"
_SCHEMA = """
CREATE TABLE language (language_id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE category (category_id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE actor (
  actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL
);
CREATE TABLE film (
  film_id serial PRIMARY KEY, title text NOT NULL, description text NOT NULL,
  release_year integer NOT NULL, language_id integer NOT NULL REFERENCES language,
  length integer NOT NULL, rating text NOT NULL
);
CREATE TABLE film_category (
  film_id integer REFERENCES film, category_id integer REFERENCES category,
  PRIMARY KEY (film_id, category_id)
);
CREATE TABLE film_actor (
  actor_id integer REFERENCES actor, film_id integer REFERENCES film,
  PRIMARY KEY (actor_id, film_id)
);
CREATE INDEX ON film_actor (film_id);
CREATE TABLE review (
  review_id serial PRIMARY KEY, film_id integer NOT NULL REFERENCES film, rating integer NOT NULL
);
"""


@contextmanager
def database() -> Iterator[str]:
    """The URL of a running database with the films in it; ``Skipped`` without PostgreSQL."""
    require_linux()
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        user = _unprivileged(folder)
        data, port = f"{folder}/data", free_port()
        options = f"{_OPTIONS} -c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        start = ("start", "-w", "-D", data, "-l", f"{folder}/log", "-o", options)
        _run(programs / "initdb", "-A", "trust", "-U", "films", "-D", data, user=user)
        _run(programs / "pg_ctl", *start, user=user)
        try:
            url = f"postgresql://films@127.0.0.1:{port}/postgres"
            sql = "".join(statements())
            _run(programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", url, user=user, text=sql)
            yield url
        finally:
            _run(programs / "pg_ctl", "stop", "-m", "immediate", "-D", data, user=user)


def _programs() -> Path:
    """Where the newest server's programs are; Debian keeps them off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    beside = [Path(found).resolve().parent for name in ("initdb",) if (found := shutil.which(name))]
    if not (folders := [*beside, *debian]):
        raise Skipped("needs PostgreSQL: apt-get install postgresql")
    return folders[-1]


def _unprivileged(folder: str) -> str | None:
    """PostgreSQL refuses to run as root; then the package's own user gets the folder."""
    import pwd  # which Windows lacks

    if os.getuid():
        return None
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return owner.pw_name


def _run(program: Path, *arguments: str, user: str | None, text: str = "") -> None:
    # Into a file: the server that pg_ctl leaves behind would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        ran = subprocess.run(
            [str(program), *arguments],
            input=text,
            text=True,
            user=user,
            cwd="/",
            stdout=output,
            stderr=output,
            check=False,
        )
        output.seek(0)
        if ran.returncode:
            raise RuntimeError(f"expected {program.name} to succeed, it said: {output.read()}")


def statements() -> Iterator[str]:
    """The schema and the rows, the same ones each time."""
    yield _SCHEMA
    dice = random.Random(1)
    yield _insert("language", ("name",), ((f"Language {n}",) for n in range(1, 7)))
    yield _insert("category", ("name",), ((f"Category {n}",) for n in range(1, CATEGORIES + 1)))
    names = ((_word(dice), _word(dice)) for _ in range(ACTORS))
    yield _insert("actor", ("first_name", "last_name"), names)
    columns = ("title", "description", "release_year", "language_id", "length", "rating")
    yield _insert("film", columns, (_film(dice) for _ in range(FILMS)))
    kinds = ((n, dice.randint(1, CATEGORIES)) for n in range(1, FILMS + 1))
    yield _insert("film_category", ("film_id", "category_id"), kinds)
    pairs = [(actor, film) for actor in range(1, ACTORS + 1) for film in range(1, FILMS + 1)]
    yield _insert("film_actor", ("actor_id", "film_id"), dice.sample(pairs, ROLES))
    yield "ANALYZE;"


def _film(dice: random.Random) -> tuple[str | int, ...]:
    title, description = _words(dice, 2), _words(dice, 14)
    rating = dice.choice(("G", "PG", "PG-13", "R", "NC-17"))
    year = dice.randint(1950, 2024)
    return title, description, year, dice.randint(1, 6), dice.randint(46, 185), rating


def _words(dice: random.Random, count: int) -> str:
    return " ".join(_word(dice) for _ in range(count))


def _word(dice: random.Random) -> str:
    syllables = ("ka", "lo", "mi", "ra", "sen", "to", "vel", "zu", "dor", "phi")
    return "".join(dice.choices(syllables, k=dice.randint(2, 4))).capitalize()


def _insert(table: str, columns: Iterable[str], rows: Iterable[tuple[str | int, ...]]) -> str:
    """One statement; the words are ours and hold no quotes."""
    values = ",".join(f"({','.join(map(repr, row))},)".replace(",)", ")") for row in rows)
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES {values};\n"
