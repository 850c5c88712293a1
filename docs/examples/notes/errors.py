"""Every error as a page, or as JSON where the API was asked."""

from flask import Flask, json, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException


def init_app(app: Flask) -> None:
    app.register_error_handler(HTTPException, show_error)


def show_error(error: HTTPException) -> ResponseReturnValue:
    response = error.get_response()  # keeps what belongs to the error: Allow, Retry-After, ...
    if response.status_code < 400:
        return response  # a redirect, raised by the router
    if request.path.startswith("/api/"):
        response.data = json.dumps({"error": error.name, "message": error.description})
        response.content_type = "application/json"
    else:
        response.data = render_template("error.html", error=error)
    return response
