"""A row of PostgreSQL that is locked while an async view awaits, on a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from _serving import end, environment, environment_with, served, Server
from bench._postgres import database
from bench._settings import Skipped

APPLICATION = """
import asyncio
import os

import quart_flask_patch
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask("shop")
app.config.update(
    ASYNC_PLACE=os.environ["PLACE"],
    BLOCKED_LOOP_WARNING=1,
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE"],
)
db = SQLAlchemy(app)


class Stock(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    sold = db.Column(db.Integer)


with app.app_context():
    db.drop_all()
    db.create_all()
    db.session.add(Stock(id=1, sold=0))
    db.session.commit()


@app.get("/buy")
async def buy():
    db.session.execute(sa.update(Stock).values(sold=Stock.sold + 1))  # HERE: the row is locked
    await asyncio.sleep(0.3)  # a payment service, say
    db.session.commit()
    return "bought"


@app.get("/sold")
async def sold():
    return str(db.session.get(Stock, 1).sold)


@app.get("/ping")
async def ping():
    return "pong"
"""
BUYERS = 5
PATIENCE = 30.0


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return environment_with(tmp_path_factory.mktemp("driver"), "psycopg[binary]")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    try:
        with database() as url:
            yield url.replace("postgresql:", "postgresql+psycopg:")
    except Skipped as reason:
        pytest.skip(str(reason))


@contextmanager
def shop(folder: Path, python: str, url: str, place: str) -> Iterator[Server]:
    (folder / "shop.py").write_text(APPLICATION)
    env = environment(DATABASE=url, PLACE=place) | {"PYTHONWARNINGS": "default"}
    command = ("uvicorn", "shop:app", "--port", "{port}")
    with served(command, folder, env, folder / "log", python) as server:
        yield server


def test_rows_that_are_locked_hold_nobody_up_on_a_loop_of_its_own(
    python: str, url: str, tmp_path: Path
) -> None:
    with (
        shop(tmp_path, python, url, "own-loop") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE, verify=False) as http,
        ThreadPoolExecutor(BUYERS) as buyers,
    ):
        buying = [buyers.submit(http.get, "/buy") for _ in range(BUYERS)]
        assert http.get("/ping").text == "pong"
        assert [each.result().text for each in buying] == ["bought"] * BUYERS
        assert http.get("/sold").text == str(BUYERS)


def test_a_row_that_holds_the_servers_loop_is_told_of(
    python: str, url: str, tmp_path: Path
) -> None:
    with shop(tmp_path, python, url, "loop") as server, ThreadPoolExecutor(2) as buyers:
        for _ in range(2):
            buyers.submit(httpx.get, f"{server.url}/buy", timeout=PATIENCE)
        limit = time.monotonic() + PATIENCE
        while "Other connections under way: 1" not in server.output():
            assert time.monotonic() < limit, server.output()
            time.sleep(0.05)
        # It holds the loop for ever, and so the server cannot be stopped.
        server.was_stopped = True
        end(server.process)
    log = server.output()
    assert "It is held by GET /buy ('buy'" in log
    assert "# HERE: the row is locked" in log
    assert "await asyncio.sleep(0.3)" in log
