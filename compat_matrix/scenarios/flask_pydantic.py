"""Flask-Pydantic: bodies, queries, forms and paths checked against models."""

from __future__ import annotations

import asyncio

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_pydantic import validate, ValidationError
from pydantic import BaseModel, Field

from compat_matrix.scenarios._exchange import get, post, request as send, send_json

pages = Blueprint("pages", __name__)


class Query(BaseModel):
    page: int = 1
    tags: list[str] = []


class Person(BaseModel):
    name: str = Field(min_length=2)
    age: int = Field(ge=0, lt=150)
    nickname: str | None = None


class Answer(BaseModel):
    id: int
    name: str
    page: int | None = None


def search(query: Query) -> Answer:
    return Answer(id=len(query.tags), name=",".join(query.tags), page=query.page)


def create(body: Person) -> Answer:
    return Answer(id=body.age, name=body.nickname or body.name)


async def create_async(body: Person, query: Query) -> Answer:
    await asyncio.sleep(0.001)
    return Answer(id=body.age, name=body.name, page=query.page)


def by_form(form: Person) -> Answer:
    return Answer(id=form.age, name=form.name)


def by_path(number: int) -> ResponseReturnValue:
    return {"number": number}


# The decorator reads a view's annotations as objects, which this module's are not.
search.__annotations__ = {"query": Query}
create.__annotations__ = {"body": Person}
create_async.__annotations__ = {"body": Person, "query": Query}
by_form.__annotations__ = {"form": Person}
by_path.__annotations__ = {"number": int}

pages.get("/search")(validate()(search))
pages.post("/people")(validate(on_success_status=201)(create))
pages.post("/people-async")(validate()(create_async))
pages.post("/form")(validate()(by_form))
pages.get("/number/<number>")(validate()(by_path))


@pages.post("/many")
@validate(body=Person, request_body_many=True, response_many=True, exclude_none=True)
def many() -> ResponseReturnValue:
    return request.body_params  # type: ignore[attr-defined]


@pages.get("/tuple")
@validate(query=Query)
def with_headers() -> ResponseReturnValue:
    answer = Answer(id=1, name="x", page=request.query_params.page)  # type: ignore[attr-defined]
    return answer, 203, {"X-Page": str(answer.page)}


def create_app() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(pages)

    @app.errorhandler(ValidationError)
    def refused(error: ValidationError) -> ResponseReturnValue:
        return {"refused": True}, 422

    return app


ANN = {"name": "ann", "age": 30}

EXCHANGES = [
    get("/search", '"page":1'),
    get("/search?page=3&tags=a&tags=b", '"name":"a,b"', '"page":3'),
    get("/search?page=x", "validation_error", "int_parsing", status=400),
    send_json("/people", ANN, '"id":30', status=201),
    send_json("/people", {**ANN, "nickname": "annie"}, "annie", status=201),
    send_json("/people", {"name": "a", "age": 200}, "string_too_short", status=400),
    send_json("/people", {}, "missing", status=400),
    send_json("/people", [1], status=500),
    post("/people", form={"name": "ann"}, status=415),
    send("POST", "/people", body=b"{", headers={"Content-Type": "application/json"}, status=400),
    send_json("/people-async?page=2", ANN, '"page":2'),
    send_json("/people-async?page=y", {"name": "ann"}, "body_params", "query_params", status=400),
    post("/form", '"id":30', form={"name": "ann", "age": "30"}),
    post("/form", "form_params", form={"name": "ann", "age": "-1"}, status=400),
    get("/number/12", '"number":12'),
    get("/number/x", "path_params", status=400),
    send_json("/many", [ANN, ANN], '"age":30'),
    send_json("/many", [ANN, {}], "body_params", status=400),
    send_json("/many", {}, "[]"),
    get("/tuple?page=9", "x-page: 9", status=203),
    send("OPTIONS", "/people", "allow: OPTIONS, POST"),
]
