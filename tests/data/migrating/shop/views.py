import asyncio
import threading
import time

import flask
import requests
from flask import Blueprint, render_template
from flask.views import MethodView

from quart.utils import run_sync
from quart_flask_patch import runs_in

from . import db
from .models import connection, Item, state
from .services import Client, convert, found, in_a_thread, stock, terms, wait_a_moment

bp = Blueprint("shop", __name__)
lock = threading.Lock()


def who_asks():
    requests.get("http://accounts.invalid")  # blocks: hook


@bp.get("/direct")
async def direct():
    time.sleep(0.1)  # blocks: direct
    return requests.post("http://other.invalid").text  # blocks: post


@bp.get("/deep")
async def deep():
    convert()
    wait_a_moment()
    Client().price()
    return [stock(), terms()]


@bp.get("/database")
async def database():
    connection().execute("select 1")  # blocks: execute
    first = Item.query.filter_by(id=1).first()  # blocks: query
    first.reload()
    return str(db.session.scalar("select 1"))  # blocks: scalar


@bp.get("/held")
async def held():
    with lock:  # held: lock
        await asyncio.sleep(0)
    db.session.execute("select 1")  # blocks: held  # held: session
    await asyncio.sleep(0)
    db.session.commit()  # blocks: held
    return ""


@bp.get("/forgotten")
async def forgotten():
    found()  # missing: statement
    text = found()  # missing: name
    if found():  # missing: condition
        return text["found"]
    return await render_template("shop.html")  # superfluous: template


@bp.get("/form")
async def form():
    return await flask.request.form  # superfluous: form


@bp.get("/local")
async def local():
    return str(state.user)


@bp.get("/timeout")
async def timeout():
    while True:  # rule: ASYNC110
        await asyncio.sleep(1)


@bp.get("/good")
async def good():
    await in_a_thread()
    await run_sync(stock)()
    await asyncio.to_thread(lambda: time.sleep(1))
    text = found()
    return [await text, await asyncio.gather(found(), found())]


@bp.get("/apart")
@runs_in("own-loop")
async def apart():
    time.sleep(1)
    return ""


@bp.get("/plain")
def plain():
    return [stock()]


@bp.get("/kept")
def kept():
    return str(Item.query.count())


def listed():
    return render_template("shop.html")


class Mixed(MethodView):
    async def get(self):
        return ""

    def post(self):
        return ""


@bp.websocket("/feed")
async def feed():
    await flask.websocket.send("")
