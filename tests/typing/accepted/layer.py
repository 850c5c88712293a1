"""A Flask application with what the layer adds: imported from the layer, checkers see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flask import jsonify, render_template, request
from flask.typing import ResponseReturnValue

from quart import websocket
from quart_flask_patch import Blueprint, bridged, Flask, runs_in, wait

app = Flask(__name__, static_folder=None)
app.config["SYNC_PLACE"] = "thread"
news = Blueprint("news", __name__, url_prefix="/news")


@app.get("/")
def index() -> ResponseReturnValue:
    return render_template("index.html", name=request.args.get("name"))


@app.post("/notify")
async def notify() -> ResponseReturnValue:
    app.add_background_task(send, "somebody", urgent=True)
    return jsonify(sent=True)


@app.get("/quick")
@runs_in("loop")
def quick() -> str:
    return wait(name())


async def name() -> str:
    return await bridged(str.upper)("name")


async def send(address: str, *, urgent: bool) -> None: ...


@app.websocket("/feed")
async def feed() -> None:
    await websocket.send("hello")


@app.before_websocket
def check() -> None: ...


@app.before_serving
async def start() -> None: ...


@app.while_serving
async def life() -> AsyncGenerator[None, None]:
    yield


@news.websocket("/feed")
async def feed_of_news() -> None: ...


@news.before_app_serving
async def prepare() -> None: ...


app.register_blueprint(news)
