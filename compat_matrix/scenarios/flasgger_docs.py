"""Flasgger: documentation of an API from its views, and requests checked against it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from flasgger import fields, Schema, swag_from, Swagger, SwaggerView, validate
from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView

from compat_matrix.scenarios._exchange import get, request as send, send_json

pages = Blueprint("pages", __name__)
PERSON = {
    "id": "Person",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "example": "ann"},
        "age": {"type": "integer", "minimum": 0},
    },
}
SPEC = {
    "tags": ["people"],
    "parameters": [{"name": "body", "in": "body", "required": True, "schema": PERSON}],
    "responses": {"200": {"description": "added"}},
}


@pages.get("/colours/<palette>/")
def colours(palette: str) -> ResponseReturnValue:
    """List the colours of a palette
    Some more words about it.
    ---
    tags: [colours]
    parameters:
      - name: palette
        in: path
        type: string
        enum: [all, rgb]
        required: true
    definitions:
      Palette:
        type: object
        properties:
          names:
            type: array
            items: {type: string}
    responses:
      200:
        description: the names
        schema: {$ref: '#/definitions/Palette'}
    """
    return {"names": ["red", "green", "blue"][: 3 if palette == "rgb" else 1]}


@pages.post("/people")
@swag_from(SPEC, validation=True)
def add() -> ResponseReturnValue:
    return jsonify(added=request.get_json())


@pages.post("/people-async")
async def add_async() -> ResponseReturnValue:
    """Add somebody, asynchronously
    ---
    responses: {200: {description: added}}
    """
    await asyncio.sleep(0.001)
    return {"added": request.get_json()}


@pages.post("/checked")
def checked() -> ResponseReturnValue:
    """Check by hand
    ---
    parameters:
      - name: body
        in: body
        schema:
          id: Name
          required: [name]
          properties: {name: {type: string}}
    """
    validate(request.get_json(), "Name", specs=checked.__doc__ and NAME)
    return "fits"


NAME = {"definitions": {"Name": {"required": ["name"], "properties": {"name": {"type": "string"}}}}}


class Person(MethodView):
    def get(self, name: str) -> ResponseReturnValue:
        """Look at somebody
        ---
        parameters:
          - {name: name, in: path, type: string, required: true}
        responses: {200: {description: somebody}}
        """
        return {"name": name}

    def delete(self, name: str) -> ResponseReturnValue:
        """Remove somebody
        ---
        parameters:
          - {name: name, in: path, type: string, required: true}
        responses: {204: {description: gone}}
        """
        return "", 204


class Pet(Schema):
    name = fields.Str(required=True)
    kind = fields.Str(load_default="cat")


class Pets(SwaggerView):
    parameters = Pet
    responses: ClassVar = {200: {"description": "pets", "schema": Pet}}
    tags: ClassVar = ["pets"]

    def post(self) -> ResponseReturnValue:
        """A view with schemas"""
        return {"pet": request.get_json()}


pages.add_url_rule("/person/<name>", view_func=Person.as_view("person"))
pages.add_url_rule("/pets", view_func=Pets.as_view("pets"), methods=["POST"])


def create_app() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(pages)
    template = {
        "info": {"title": "Scenario", "version": "1"},
        "host": "scenario.test",
        "schemes": ["http"],
    }
    Swagger(app, template=template)
    return app


EXCHANGES = [
    get("/apispec_1.json", '"title":"Scenario"', "/colours/{palette}/", "scenario.test"),
    get("/apidocs/", "swagger"),
    get("/apidocs/index.html", "location: /apidocs/", status=302),
    get("/flasgger_static/swagger-ui.css", "swagger-ui"),
    get("/flasgger_static/swagger-ui.css", headers={"Range": "bytes=0-99"}, status=206),
    get("/flasgger_static/none.css", status=404),
    send("HEAD", "/flasgger_static/swagger-ui-bundle.js"),
    get("/oauth2-redirect.html"),
    get("/colours/rgb/", "blue"),
    get("/colours/all", "location: http://scenario.test/colours/all/", status=308),
    send_json("/people", {"name": "ann", "age": 3}, '"added"'),
    send_json("/people", {"age": 3}, "required property", status=400),
    send_json("/people", {"name": "a"}, status=400),
    send_json("/people-async", {"name": "ann"}, '"added"'),
    send_json("/checked", {"name": "ann"}, "fits"),
    send_json("/checked", {"name": 3}, status=400),
    get("/person/ann", '"name":"ann"'),
    send("DELETE", "/person/ann", status=204),
    send("PUT", "/person/ann", status=405),
    send_json("/pets", {"name": "tom"}, "tom"),
    send("OPTIONS", "/pets", "allow: OPTIONS, POST"),
]
