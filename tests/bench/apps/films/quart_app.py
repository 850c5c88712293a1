"""The same application with asyncpg, on ours and on upstream's Quart."""

from __future__ import annotations

from typing import Any

import asyncpg

from quart import abort, Quart, request

from . import _queries as queries

app = Quart(__name__)
pool: asyncpg.Pool


@app.before_serving
async def connect() -> None:
    global pool
    size = queries.THREADS
    pool = await asyncpg.create_pool(queries.DATABASE, min_size=size, max_size=size)


@app.after_serving
async def disconnect() -> None:
    await pool.close()


@app.get("/films/<int:film_id>/")
async def film(film_id: int) -> dict[str, Any]:
    found = await pool.fetchrow(queries.FILM.format("$1"), film_id)
    if found is None:
        abort(404)
    return dict(found)


@app.get("/films/")
async def films() -> dict[str, Any]:
    return {"films": [dict(row) for row in await pool.fetch(queries.FILMS)]}


@app.post("/reviews/")
async def review() -> tuple[dict[str, Any], int]:
    values = await request.get_json()
    insert = queries.REVIEW.format("$1", "$2")
    made = await pool.fetchrow(insert, values["film_id"], values["rating"])
    return {**values, **dict(made)}, 201
