"""Flask-SQLAlchemy with PostgreSQL: notes, a transaction that fails, and a slow query."""

from __future__ import annotations

import os
from typing import Any

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import IntegrityError

from compat_matrix.scenarios._exchange import get, post, request as send
from compat_matrix.scenarios._services import VARIABLE

SERVICE = "postgresql"
db = SQLAlchemy()
Model: Any = db.Model
pages = Blueprint("pages", __name__)


class Note(Model):
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(80), unique=True, nullable=False)
    tags = db.Column(db.JSON, default=list)


@pages.post("/notes")
def write() -> ResponseReturnValue:
    note = Note(text=request.form["text"], tags=request.form.getlist("tag"))
    db.session.add(note)
    db.session.commit()
    return {"id": note.id, "tags": note.tags}, 201


@pages.get("/notes")
def notes() -> ResponseReturnValue:
    page = db.paginate(db.select(Note).order_by(Note.id), per_page=2)
    return {"notes": [note.text for note in page], "pages": page.pages}


@pages.get("/notes-async")
async def notes_async() -> ResponseReturnValue:
    return {"notes": list(db.session.scalars(db.select(Note.text).order_by(Note.id)))}


@pages.delete("/notes/<int:number>")
def remove(number: int) -> ResponseReturnValue:
    db.session.delete(db.get_or_404(Note, number))
    db.session.commit()
    return "", 204


@pages.get("/slow")
def slow() -> ResponseReturnValue:
    return {"slept": db.session.scalar(db.text("SELECT 1 FROM pg_sleep(0.2)"))}


@pages.errorhandler(IntegrityError)
def there_already(error: IntegrityError) -> ResponseReturnValue:
    db.session.rollback()
    return {"error": type(error.orig).__name__}, 409


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ[VARIABLE]
    db.init_app(app)
    app.register_blueprint(pages)
    with app.app_context():
        db.create_all()
    return app


EXCHANGES = [
    get("/notes", '"notes":[]'),
    post("/notes", '"id":1', '"tags":["red"]', form={"text": "one", "tag": "red"}, status=201),
    post("/notes", '"id":2', form={"text": "two"}, status=201),
    post("/notes", "UniqueViolation", form={"text": "one"}, status=409),
    post("/notes", '"id":4', form={"text": "three"}, status=201),
    get("/notes", '["one","two"]', '"pages":2'),
    get("/notes?page=2", '["three"]'),
    get("/notes?page=9", status=404),
    get("/notes-async", '["one","two","three"]'),
    get("/slow", '"slept":1'),
    send("DELETE", "/notes/1", status=204),
    send("DELETE", "/notes/1", status=404),
    get("/notes-async", '["two","three"]'),
]
