"""An ordinary Flask application with psycopg, on Flask and, unchanged, on the layer."""

from __future__ import annotations

from typing import Any

from flask import abort, Flask, request
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from . import _queries as queries

app = Flask(__name__)
app.config["SYNC_THREADS"] = queries.THREADS
pool = ConnectionPool(
    queries.DATABASE,
    min_size=queries.THREADS,
    max_size=queries.THREADS,
    kwargs={"row_factory": dict_row, "autocommit": True},
    open=True,
)


@app.get("/films/<int:film_id>/")
def film(film_id: int) -> dict[str, Any]:
    with pool.connection() as connection:
        found = connection.execute(queries.FILM.format("%s"), (film_id,)).fetchone()
    if found is None:
        abort(404)
    return dict(found)


@app.get("/films/")
def films() -> dict[str, Any]:
    with pool.connection() as connection:
        return {"films": connection.execute(queries.FILMS).fetchall()}


@app.post("/reviews/")
def review() -> tuple[dict[str, Any], int]:
    values = request.get_json()
    with pool.connection() as connection:
        insert = queries.REVIEW.format("%s", "%s")
        made = connection.execute(insert, (values["film_id"], values["rating"])).fetchone()
    return {**values, **(made or {})}, 201
