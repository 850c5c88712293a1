"""Flask-PyMongo: documents by their ids in URLs, in mongomock, which stands in for a server."""

from __future__ import annotations

import asyncio

import flask_pymongo
import mongomock
from bson import ObjectId
from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_pymongo.wrappers import Collection, Database
from mongomock.collection import Collection as MockCollection
from mongomock.database import Database as MockDatabase

from compat_matrix.scenarios._exchange import get, Named, post, request as send, send_json

mongo = flask_pymongo.PyMongo()
pages = Blueprint("pages", __name__)

# What the extension adds to PyMongo's classes, for the stand-in's.
MockCollection.find_one_or_404 = Collection.find_one_or_404


class Client(mongomock.MongoClient):
    """Accepts the extension's data about itself, which the stand-in does not know."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.pop("driver", None)
        super().__init__(*args, **kwargs)


flask_pymongo.MongoClient = Client


def books() -> MockCollection:
    database: MockDatabase | Database = mongo.db
    return database.books


@pages.post("/books")
def add() -> ResponseReturnValue:
    found = books().insert_one(
        {"_id": ObjectId(request.json["id"]), "title": request.json["title"]}
    )
    return {"id": str(found.inserted_id)}, 201


@pages.get("/books/<ObjectId:number>")
def book(number: ObjectId) -> ResponseReturnValue:
    found = books().find_one_or_404({"_id": number})
    return {"title": found["title"], "id": found["_id"]}


@pages.get("/books-async/<ObjectId:number>")
async def book_async(number: ObjectId) -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return {"found": books().find_one_or_404({"_id": number})}


@pages.get("/books")
def all_books() -> ResponseReturnValue:
    return {"titles": [found["title"] for found in books().find().sort("title")]}


@pages.put("/books/<ObjectId:number>")
def rename(number: ObjectId) -> ResponseReturnValue:
    books().update_one({"_id": number}, {"$set": {"title": request.form["title"]}})
    return "", 204


@pages.delete("/books/<ObjectId:number>")
def remove(number: ObjectId) -> ResponseReturnValue:
    return {"removed": books().delete_one({"_id": number}).deleted_count}


def create_app() -> Flask:
    app = Flask(__name__)
    mongo.init_app(app, "mongodb://localhost/library")
    app.register_blueprint(pages)
    return app


DIFFERENCES: list[Named] = []
ONE, TWO, NONE = "5f0000000000000000000001", "5f0000000000000000000002", "5f00000000000000000000ff"
RENAME = {"Content-Type": "application/x-www-form-urlencoded"}

EXCHANGES = [
    get("/books", '"titles": []'),
    send_json("/books", {"id": ONE, "title": "Emma"}, ONE, status=201),
    send_json("/books", {"id": TWO, "title": "Dune"}, status=201),
    send_json("/books", {"id": TWO, "title": "Dune"}, status=500),
    send_json("/books", {"id": "short", "title": "x"}, status=500),
    get("/books", '["Dune", "Emma"]'),
    get(f"/books/{ONE}", '"title": "Emma"'),
    get(f"/books-async/{TWO}", "Dune"),
    get(f"/books/{NONE}", status=404),
    get(f"/books-async/{NONE}", status=404),
    get("/books/no-id", status=404),
    send("PUT", f"/books/{ONE}", headers=RENAME, body=b"title=Persuasion", status=204),
    get("/books", "Persuasion"),
    send("DELETE", f"/books/{ONE}", '"removed": 1'),
    send("DELETE", f"/books/{ONE}", '"removed": 0'),
    send("HEAD", f"/books/{TWO}"),
    post(f"/books/{TWO}", status=405),
]
