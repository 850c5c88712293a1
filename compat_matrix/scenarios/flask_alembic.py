"""Flask-Alembic: an application that migrates its own database, and looks at where that stands."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_alembic import Alembic
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import inspect, text

from compat_matrix.scenarios._exchange import get, Named, post

db = SQLAlchemy()
alembic = Alembic()
pages = Blueprint("pages", __name__)


class Book(db.Model):  # type: ignore[name-defined]  # made by the extension
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(80))


def columns() -> dict[str, list[str]]:
    found = inspect(db.engine)
    return {
        name: [column["name"] for column in found.get_columns(name)]
        for name in found.get_table_names()
    }


@pages.get("/columns")
def show() -> ResponseReturnValue:
    return columns()


@pages.get("/current")
def current() -> ResponseReturnValue:
    return {
        "current": [script.doc for script in alembic.current()],
        "heads": [script.doc for script in alembic.heads()],
        "log": [script.doc for script in alembic.log()],
    }


@pages.get("/compare-async")
async def compare() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return {"differences": [change[0] for change in alembic.compare_metadata()]}


@pages.post("/revision")
def revision() -> ResponseReturnValue:
    made = alembic.revision(request.form["message"])
    return {"made": [script.doc for script in made]}, 201


@pages.post("/upgrade")
def upgrade() -> ResponseReturnValue:
    alembic.upgrade()
    return columns()


@pages.post("/downgrade")
def downgrade() -> ResponseReturnValue:
    alembic.downgrade()
    return columns()


@pages.post("/books")
def add() -> ResponseReturnValue:
    db.session.add(Book(title=request.form["title"]))
    db.session.commit()
    return {"books": db.session.execute(text("select count(*) from book")).scalar()}, 201


def create_app() -> Flask:
    folder = Path(tempfile.mkdtemp())
    app = Flask(__name__, root_path=str(folder))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/books.sqlite"
    app.config["ALEMBIC"] = {"script_location": str(folder / "migrations")}
    db.init_app(app)
    alembic.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES: list[Named] = []

EXCHANGES = [
    get("/columns"),
    get("/current", '"current":[]'),
    get("/compare-async", "add_table"),
    post("/books", form={"title": "Emma"}, status=500),
    post("/revision", "begin", form={"message": "begin"}, status=201),
    get("/current", '"current":[]', '"heads":["begin"]'),
    post("/upgrade", '"book":["id","title"]'),
    get("/current", '"current":["begin"]'),
    get("/compare-async", '"differences":[]'),
    post("/books", '"books":1', form={"title": "Emma"}, status=201),
    post("/books", '"books":2', form={"title": "Dune"}, status=201),
    post("/revision", form={}, status=400),
    post("/downgrade", "alembic_version"),
    get("/current", '"current":[]'),
    post("/books", form={"title": "Emma"}, status=500),
    post("/upgrade", "title"),
    get("/upgrade", status=405),
]
