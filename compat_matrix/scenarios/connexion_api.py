"""Connexion 2: an API from its OpenAPI document: routing, validation, security, answers."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import connexion
from connexion import NoContent, problem, ProblemException
from flask import Flask, Response, session

from compat_matrix.scenarios._exchange import (
    get,
    Named,
    post,
    request as send,
    send_files,
    send_json,
    SIGNED_AT,
)

HERE = __name__
SPEC = f"""
openapi: 3.0.0
info: {{title: Scenario, version: '1'}}
servers: [{{url: /v1}}]
paths:
  /people:
    get:
      operationId: {HERE}.search
      parameters:
        - {{name: limit, in: query, schema: {{type: integer, maximum: 10, default: 2}}}}
        - {{name: tag, in: query, schema: {{type: array, items: {{type: string}}}}}}
        - {{name: X-Colour, in: header, schema: {{type: string, enum: [red, blue]}}}}
      responses:
        '200':
          description: people
          content:
            application/json: {{schema: {{type: array, items: {{$ref: '#/components/schemas/P'}}}}}}
    post:
      operationId: {HERE}.add
      security: [{{key: []}}]
      requestBody:
        required: true
        content: {{application/json: {{schema: {{$ref: '#/components/schemas/P'}}}}}}
      responses: {{'201': {{description: added}}}}
  /people/{{name}}:
    parameters: [{{name: name, in: path, required: true, schema: {{type: string}}}}]
    get:
      operationId: {HERE}.read
      responses:
        '200':
          description: one
          content: {{application/json: {{schema: {{$ref: '#/components/schemas/P'}}}}}}
    delete:
      operationId: {HERE}.remove
      security: [{{basic: []}}]
      responses: {{'204': {{description: gone}}}}
  /number/{{number}}:
    get:
      operationId: {HERE}.number
      parameters: [{{name: number, in: path, required: true, schema: {{type: integer}}}}]
      responses: {{'200': {{description: number, content: {{application/json: {{}}}}}}}}
  /upload:
    post:
      operationId: {HERE}.upload
      requestBody:
        content:
          multipart/form-data:
            schema: {{type: object, properties: {{file: {{type: string, format: binary}}}}}}
      responses: {{'200': {{description: size, content: {{application/json: {{}}}}}}}}
  /stream:
    get:
      operationId: {HERE}.stream
      responses: {{'200': {{description: lines, content: {{text/plain: {{}}}}}}}}
  /form:
    post:
      operationId: {HERE}.form
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema: {{type: object, required: [a], properties: {{a: {{type: integer}}}}}}
      responses: {{'200': {{description: form, content: {{application/json: {{}}}}}}}}
components:
  schemas:
    P:
      type: object
      required: [name]
      properties: {{name: {{type: string, minLength: 2}}, age: {{type: integer, nullable: true}}}}
  securitySchemes:
    key: {{type: apiKey, in: header, name: X-Key, x-apikeyInfoFunc: {HERE}.check_key}}
    basic: {{type: http, scheme: basic, x-basicInfoFunc: {HERE}.check_basic}}
"""

PEOPLE: dict[str, dict[str, Any]] = {"ann": {"name": "ann", "age": 30}, "odd": {"age": "?"}}


def search(limit: int, tag: list[str] | None = None) -> Any:
    found = [person for person in PEOPLE.values() if "name" in person]
    colour = connexion.request.headers.get("X-Colour")
    return found[:limit], 200, {"X-Tags": f"{tag} {colour}"}


def add(body: dict[str, Any], user: str) -> Any:
    session["last"] = body["name"]
    PEOPLE[body["name"]] = body
    return {"added": body, "by": user}, 201


def read(name: str) -> Any:
    if name == "gone":
        return problem(410, "Gone", "it was there", ext={"name": name})
    if name not in PEOPLE:
        raise ProblemException(404, "Nobody", f"no {name}")
    return PEOPLE[name]


def remove(name: str, user: str) -> Any:
    PEOPLE.pop(name)
    return NoContent, 204


async def number(number: int) -> Any:
    await asyncio.sleep(0.001)
    return {"number": number, "last": session.get("last")}


def upload(file: Any) -> Any:
    return {"name": file.filename, "size": len(file.read())}


def stream() -> Any:
    def lines() -> Iterator[str]:
        yield from (f"{n}\n" for n in range(100))

    return Response(lines(), mimetype="text/plain")


def form(body: dict[str, Any]) -> Any:
    return body


def check_key(key: str, required_scopes: Any = None) -> Any:
    return {"sub": "keeper"} if key == "secret" else None


def check_basic(username: str, password: str, required_scopes: Any = None) -> Any:
    return {"sub": username} if password == "secret" else None


def create_app() -> Flask:
    folder = Path(tempfile.mkdtemp())
    (folder / "api.yaml").write_text(SPEC)
    app = connexion.FlaskApp(__name__, specification_dir=folder)
    app.add_api("api.yaml", validate_responses=True, strict_validation=True)
    app.app.secret_key = "of the scenario"
    return app.app


DIFFERENCES = [SIGNED_AT, Named("installed at", r"(?<=^last-modified: ).*$")]

KEY = {"X-Key": "secret"}
BASIC = {"Authorization": "Basic YW5uOnNlY3JldA=="}

EXCHANGES = [
    get("/v1/people", '"name": "ann"', "x-tags: None None"),
    get("/v1/people?limit=1&tag=a,b", "x-tags: ['a', 'b']", headers={"X-Colour": "red"}),
    get("/v1/people?limit=99", "is greater than the maximum", status=400),
    get("/v1/people?limit=x", "Wrong type", status=400),
    get("/v1/people?more=1", "Extra query", status=400),
    get("/v1/people", headers={"X-Colour": "pink"}, status=400),
    send_json("/v1/people", {"name": "bob"}, "No authorization token", status=401),
    send_json("/v1/people", {"name": "bob"}, headers={"X-Key": "wrong"}, status=401),
    send_json("/v1/people", {"name": "bob"}, '"by": "keeper"', headers=KEY, status=201),
    send_json("/v1/people", {"name": "b"}, "is too short", headers=KEY, status=400),
    send_json("/v1/people", {}, "required property", headers=KEY, status=400),
    post("/v1/people", form={"name": "bob"}, headers=KEY, status=415),
    get("/v1/people/bob", '"name": "bob"'),
    get("/v1/people/zoe", "no zoe", "application/problem+json", status=404),
    get("/v1/people/gone", '"name": "gone"', status=410),
    get("/v1/people/odd", "Response body does not conform", status=500),
    send("DELETE", "/v1/people/bob", status=401),
    send("DELETE", "/v1/people/bob", headers=BASIC, status=204),
    send("DELETE", "/v1/people/bob", headers=BASIC, status=500),
    get("/v1/number/12", '"number": 12'),
    get("/v1/number/x", status=404),
    send_files("/v1/upload", {"file": ("a.bin", bytes(400_000))}, '"size": 400000'),
    get("/v1/stream", "99\n"),
    post("/v1/form", '"a": 3', form={"a": "3"}),
    post("/v1/form", form={"a": "x"}, status=400),
    get("/v1/openapi.json", '"title":"Scenario"'),
    get("/v1/ui/", "swagger"),
    get("/v1/ui/swagger-ui.css"),
    send("PUT", "/v1/people", status=405),
    send("HEAD", "/v1/people"),
    get("/v1/none", "application/problem+json", status=404),
]
