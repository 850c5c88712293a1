# pyright: reportUnusedImport=false
"""An application that imports everything from `flask`: checkers see what the layer adds."""

from __future__ import annotations

import quart_flask_patch  # noqa: F401

# isort: split

import flask
from flask import Blueprint, current_app, Flask, jsonify, request
from flask.sessions import SecureCookieSessionInterface, SessionInterface
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from quart import websocket


class Sessions(SecureCookieSessionInterface): ...


class Client(FlaskClient): ...


app = Flask(__name__, static_folder=None)
sessions: SessionInterface = Sessions()
app.session_interface = sessions
app.test_client_class = Client
app.request_class = flask.Request
news = Blueprint("news", __name__, url_prefix="/news")


@app.get("/")
def index() -> ResponseReturnValue:
    return jsonify(name=request.args.get("name"))


@app.websocket("/feed")
async def feed() -> None:
    await websocket.send("hello")


@news.websocket("/feed")
async def feed_of_news() -> None: ...


@app.before_serving
async def start() -> None:
    current_app.add_background_task(start)


class Item(MethodView):
    def get(self) -> str:
        return flask.url_for("item")


def register(to: flask.Flask) -> None:
    to.add_url_rule("/item", view_func=Item.as_view("item"))
    to.register_blueprint(news)


register(app)
