"""Calls that block the event loop while they wait, and what to use instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from .findings import Level

OWN_LOOP = 'give it @runs_in("own-loop")'
#: Calls that fail where a loop is running, the server's or the request's own.
ANOTHER_LOOP = "another event loop"
Unit = Literal["call", "function", "request"]
RUN_SYNC = "await quart.utils.run_sync(function)(...)"


@dataclass(frozen=True, slots=True)
class Blocking:
    """A family of calls, matched by full names; `()` in a name stands for the call's result."""

    kind: str
    level: Level
    pattern: re.Pattern[str]
    way_out: str
    #: Whether there is an async way of the same kind. If not, the view may as well stay plain.
    replaceable: bool = True
    #: What to move to a thread: this call alone; the function around it, as the call's result
    #: blocks too; or the whole request, as the object belongs to the request or its thread.
    unit: Unit = "call"


def _family(
    kind: str,
    level: Level,
    names: str,
    way_out: str,
    replaceable: bool = True,
    unit: Unit = "call",
) -> Blocking:
    pattern = "|".join(f"(?:{name})" for name in names.split())
    return Blocking(kind, level, re.compile(pattern), way_out, replaceable, unit)


_FILE_WAY = f"aiofiles, or {RUN_SYNC}"
_THREAD_WAY = "what asyncio has of that name, or run_sync"
_HTTP_WAY = f"httpx.AsyncClient, or {RUN_SYNC}"
_VERBS = "(?:get|post|put|patch|delete|head|options|request|send|stream)"
_SQL = (
    r"(?:execute|executemany|executescript|scalars?|commit|rollback|flush|refresh|merge|get|get_one"
    r"|fetch\w+|all|first|one|one_or_none|count|ping|connect|begin"
    r"|query\(\).*\.(?:all|first|one|one_or_none|scalar|count|get|delete|update))"
)
_SESSION = (
    r"(?:sqlalchemy\.orm\.(?:\w+\.)?(?:Session|sessionmaker\(\)|scoped_session)|sqlmodel\.Session)"
    r"\(\)(?:\(\))?"
)
#: An object that has a session.
_DB = r"(?:flask_sqlalchemy(?:_lite)?\.SQLAlchemy|alchemical\.(?:\w+\.)?Alchemical)\(\)"
_QUERY = rf"(?:<[\w.]+>\.query|(?:{_DB}\.session|{_SESSION})\.query\(\))"

#: The first one that matches counts.
FAMILIES = (
    _family("sleeping", "error", r"time\.sleep", "await asyncio.sleep(...)"),
    _family(
        "HTTP",
        "error",
        r"httpx\.(?:Client\(\)\.)?stream urllib\.request\.url\w+"
        r" http\.client\.\w+\(\)\.(?:request|getresponse|connect)",
        _HTTP_WAY,
        unit="function",
    ),
    _family(
        "HTTP",
        "error",
        rf"requests\.(?:api\.)?{_VERBS} requests\.(?:sessions\.)?[sS]ession\(\)\.{_VERBS}"
        rf" httpx\.{_VERBS} httpx\.Client\(\)\.{_VERBS}"
        r" urllib3\.(?:request|\w+\(\)\.(?:request|urlopen))",
        _HTTP_WAY,
    ),
    _family(
        "another process",
        "error",
        r"subprocess\.(?:run|call|check_\w+|get\w+) subprocess\.Popen\(\)\.(?:wait|communicate)"
        r" os\.(?:system|popen|wait\w*|spawn\w+)",
        f"await asyncio.create_subprocess_exec(...), or {RUN_SYNC}",
    ),
    _family(
        "the network",
        "error",
        r"socket\.(?:create_connection|getaddrinfo|gethostby\w+)"
        r" socket\.socket\(\)\.(?:connect|recv\w*|send\w*|accept) select\.select"
        r" (?:smtplib|ftplib|imaplib|poplib)\.\w+(?:\(\)\.\w+)?"
        r" paramiko\.\w+\(\)\.\w+ boto3\.(?:client|resource)\(\)\.\w+.*"
        r" flask_mail\.Mail\(\)\.(?:send|send_message|connect)",
        RUN_SYNC,
        replaceable=False,
    ),
    _family(
        "a thread",
        "error",
        r"threading\.(?:RLock|Condition)\(\)\.(?:acquire|wait)",
        _THREAD_WAY,
        unit="request",
    ),
    _family(
        "a thread",
        "error",
        r"threading\.(?:Lock|Semaphore|Event)\(\)\.(?:acquire|wait)"
        r" threading\.Thread\(\)\.join queue\.\w*Queue\(\)\.(?:get|put|join)"
        r" concurrent\.futures\.\w+\(\)\.submit\(\)\.result concurrent\.futures\.wait",
        _THREAD_WAY,
    ),
    _family(
        ANOTHER_LOOP,
        "error",
        r"asyncio\.run asyncio\.Runner\(\)\.run"
        r" asyncio\.(?:new_event_loop|get_event_loop)\(\)\.run_until_complete",
        "await it, as an event loop is running there already",
    ),
    _family("a person", "error", r"input getpass\.getpass", "no view should ask at the console"),
    _family(
        "the database",
        "warning",
        rf"{_DB}\.[sS]ession(?:\(\))?\.{_SQL}"
        rf" {_DB}\.(?:paginate|get_or_404|first_or_404|one_or_404|create_all|drop_all)"
        r" <[\w.]+>\.query\.(?:.*\.)?(?:all|first\w*|one\w*|get\w*|scalar|count|paginate|delete)"
        rf" {_SESSION}\.{_SQL} sqlalchemy\.create_engine\(\)(?:\.(?:connect|begin)\(\))?\.{_SQL}",
        f"leave the view plain, {OWN_LOOP}, SQLAlchemy's AsyncSession, or {RUN_SYNC}",
        replaceable=False,
        unit="request",
    ),
    _family(
        "the database",
        "warning",
        rf"(?:sqlite3|psycopg2?|pymysql|MySQLdb|pyodbc|oracledb|mysql\.connector)\.connect"
        rf"(?:\(\)(?:\.cursor\(\)|\.execute\(\))?\.{_SQL})?",
        f"an async driver (aiosqlite, asyncpg, psycopg's AsyncConnection), or {RUN_SYNC}",
        unit="request",
    ),
    _family(
        "the database",
        "warning",
        r"(?:redis|valkey)\.(?:(?:Strict)?Redis|from_url|Redis\.from_url)\(\)\.\w+"
        r" pymongo\.MongoClient\(\)\..+\(?\)?\.\w+ elasticsearch\.Elasticsearch\(\)\.\w+"
        r" (?:pymemcache|memcache)\.(?:client\.)?\w+\(\)\.\w+"
        r" peewee\.\w+\(\)\.(?:execute\w*|connect)",
        f"the library's async client (redis.asyncio, pymongo.AsyncMongoClient), or {RUN_SYNC}",
    ),
    _family(
        "the database",
        "warning",
        r"peewee\.\w*Model\.(?:get|get_\w+|create|insert_many|bulk_\w+|create_table|drop_table)"
        r" peewee\.\w*Model\(\)\.(?:save|delete_instance)"
        r" peewee\.\w*Model\..*\(\)\.(?:get|get_or_none|first|count|exists|scalar|execute)",
        f"leave the view plain, or {OWN_LOOP}",
        replaceable=False,
        unit="request",
    ),
    _family(
        "the database",
        "warning",
        r"mongoengine\.\w*Document\(\)\.(?:save|delete|update|modify|reload)"
        r" mongoengine\.\w*Document\.objects(?:.*\.(?:first|get|count|delete|update\w*))?",
        f"leave the view plain, or {RUN_SYNC}",
        replaceable=False,
        unit="function",
    ),
    _family(
        "git",
        "warning",
        r"git\.(?:\w+\.)*Repo(?:\.\w+)?\(\)\..+ git\.(?:\w+\.)*Repo\.(?:init|clone_from)"
        r" git\.(?:\w+\.)*Git\(\)\..+ dulwich\.porcelain\.\w+ pygit2\.Repository\(\)\..+",
        f"leave the view plain, or {RUN_SYNC}",
        replaceable=False,
        unit="function",
    ),
    _family(
        "a password's hash",
        "warning",
        r"werkzeug\.security\.(?:check|generate)_password_hash"
        r" flask_bcrypt\.(?:Bcrypt\(\)\.)?(?:check|generate)_password_hash"
        r" bcrypt\.(?:hashpw|checkpw|kdf) argon2\.PasswordHasher\(\)\.(?:hash|verify)"
        r" hashlib\.(?:scrypt|pbkdf2_hmac) passlib\..+\.(?:hash|verify|verify_and_update)",
        RUN_SYNC,
        replaceable=False,
    ),
    _family(
        "a file",
        "warning",
        r"open io\.open (?:zipfile\.ZipFile|tarfile\.open)"
        r" pathlib\.Path\(\).*\.open",
        _FILE_WAY,
        unit="function",
    ),
    _family(
        "a file",
        "warning",
        r"pathlib\.Path\(\).*\.(?:read_\w+|write_\w+|touch|unlink|stat|iterdir)"
        r" shutil\.(?:copy\w*|move|rmtree|make_archive|unpack_archive)"
        r" .*\.(?:read_text|read_bytes|write_text|write_bytes)",
        _FILE_WAY,
    ),
    # Of an object that reading does not know, such as an argument.
    _family(
        "what looks like a database",
        "warning",
        r".*\.(?:execute|executemany|executescript|commit|rollback|fetchone|fetchmany|fetchall)",
        f"leave the view plain, {OWN_LOOP}, an async driver, or {RUN_SYNC}",
        replaceable=False,
        unit="request",
    ),
)

#: Objects that hold a connection or a lock while their `with` block runs.
HELD = re.compile(
    rf"{_SESSION}(?:\.begin\(\))?|{_DB}\.[sS]ession(?:\.begin\(\)|\(\))?"
    r"|sqlalchemy\.create_engine\(\)\.(?:connect|begin)\(\)"
    r"|(?:sqlite3|psycopg2?|pymysql|MySQLdb|pyodbc|oracledb)\.connect\(\)"
    r"|threading\.(?:Lock|RLock|Condition|Semaphore|BoundedSemaphore)\(\)"
)
#: Flask-SQLAlchemy's session, which belongs to the request and begins with its first use.
SCOPED = re.compile(rf"{_DB}\.session\.{_SQL}")
#: Queries that are sent when something goes through their results.
ITERATED = re.compile(
    rf"{_QUERY}(?:\..*\(\))?|peewee\.\w*Model\.select\(\)(?:\..*\(\))?"
    r"|mongoengine\.\w*Document\.objects(?:\(\))?"
)


@lru_cache(maxsize=65536)
def blocking(name: str) -> Blocking | None:
    return next((family for family in FAMILIES if family.pattern.fullmatch(name)), None)


def iteration() -> Blocking:
    """Return the family of what goes through the results of a query."""
    return next(family for family in FAMILIES if family.kind == "the database")
