"""One database in four ways: plain views as on Flask, and async ones with pools of this process.

Everything that is bound to an event loop or to connections is made while the application serves, so
each process has its own, whatever its server forks.
"""

import asyncio
import os

import asyncpg
import psycopg_pool

import quart_flask_patch  # noqa: F401

# isort: split

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

# Without a driver's name: `postgresql://user@host:port/name`
URL = os.environ.get("DATABASE_URL", "postgresql://localhost/shop")
#: Of each of the four. The database must allow the sum, times the number of processes.
POOL = int(os.environ.get("POOL", "5"))
# PgBouncer gives each transaction another connection, so none of them may keep prepared statements.
PGBOUNCER = os.environ.get("PGBOUNCER") == "yes"

# A machine that is lost closes no connections: so long, in seconds, is it waited for an answer.
LIBPQ = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
ASYNCPG = {"timeout": 5, "command_timeout": 10}
if PGBOUNCER:
    LIBPQ["prepare_threshold"] = None
    ASYNCPG["statement_cache_size"] = 0

app = Flask(__name__)
app.config["SYNC_THREADS"] = POOL  # as many plain views at a time as there are connections
app.config["SQLALCHEMY_DATABASE_URI"] = URL.replace("postgresql:", "postgresql+psycopg:")
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
    "pool_size": POOL,
    "max_overflow": 0,
    "pool_pre_ping": True,  # a connection that the database has closed is replaced
    "connect_args": LIBPQ,
}
db = SQLAlchemy(app)


class Item(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@app.cli.command("init-db")
def init_db():
    """Once, before the processes start."""
    db.create_all()


# Plain views


@app.post("/items/<name>")
def add(name):
    db.session.add(Item(name=name))
    db.session.commit()
    return "", 201


@app.get("/plain/items")
def items():
    return [item.name for item in db.session.scalars(db.select(Item).order_by(Item.id))]


# The same models in async views


@app.while_serving
async def engine():
    unprepared = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
    made = create_async_engine(
        URL.replace("postgresql:", "postgresql+asyncpg:"),
        pool_size=POOL,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args=ASYNCPG | (unprepared if PGBOUNCER else {}),
    )
    app.extensions["sessions"] = async_sessionmaker(made, expire_on_commit=False)
    yield
    await made.dispose()


def session():
    """The session of this request, made when it is first needed."""
    if "session" not in g:
        g.session = app.extensions["sessions"]()
    return g.session


@app.teardown_appcontext
async def close_session(error):
    """Also after an error, or when the client has left: what is not committed is rolled back."""
    if opened := g.pop("session", None):
        await opened.close()


@app.get("/sqlalchemy/items")
async def async_items():
    found = await session().scalars(db.select(Item).order_by(Item.id))
    return [item.name for item in found]


@app.post("/sqlalchemy/<name>/slowly")
async def add_slowly(name):
    session().add(Item(name=name))
    await session().flush()
    await session().execute(text("SELECT pg_sleep(0.5)"))
    await session().commit()
    return "", 201


# Drivers alone


@app.while_serving
async def pools():
    async with (
        asyncpg.create_pool(URL, min_size=1, max_size=POOL, **ASYNCPG) as first,
        psycopg_pool.AsyncConnectionPool(
            URL,
            min_size=1,
            max_size=POOL,
            open=False,
            kwargs=LIBPQ,
            check=psycopg_pool.AsyncConnectionPool.check_connection,
        ) as second,
    ):
        app.extensions["asyncpg"], app.extensions["psycopg"] = first, second
        yield


@app.get("/asyncpg/items")
async def asyncpg_items():
    # A transaction, as it prepares a statement and runs it: PgBouncer keeps the two together.
    async with app.extensions["asyncpg"].acquire() as connection, connection.transaction():
        rows = await connection.fetch("SELECT name FROM item ORDER BY id")
    return [row["name"] for row in rows]


@app.get("/psycopg/items")
async def psycopg_items():
    async with app.extensions["psycopg"].connection() as connection:
        rows = await connection.execute("SELECT name FROM item ORDER BY id")
        return [name async for (name,) in rows]


@app.get("/process")
async def process():
    await asyncio.sleep(0)
    return {"process": os.getpid()}
