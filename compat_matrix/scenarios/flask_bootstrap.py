"""Flask-Bootstrap: pages from its base template, quick forms, pages of a list, its own files."""

from __future__ import annotations

import asyncio

from flask import Blueprint, flash, Flask, redirect, render_template_string, request, url_for
from flask.typing import ResponseReturnValue
from flask_bootstrap import Bootstrap
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField, StringField, SubmitField, TextAreaField
from wtforms.validators import DataRequired

from compat_matrix.scenarios._exchange import (
    follow,
    Found,
    get,
    LENGTH,
    Named,
    post,
    request as send,
    SIGNED_AT,
)

PAGE = """{% extends "bootstrap/base.html" %}
{% import "bootstrap/wtf.html" as wtf %}
{% import "bootstrap/utils.html" as utils %}
{% import "bootstrap/fixes.html" as fixes %}
{% block title %}{{ title }}{% endblock %}
{% block head %}{{ super() }}{{ fixes.ie8() }}{% endblock %}
{% block content %}
{{ utils.flashed_messages() }}{{ utils.icon("ok") }}
{% if form %}{{ wtf.quick_form(form, form_type=request.args.get("type", "basic")) }}{% endif %}
{% endblock %}"""

pages = Blueprint("pages", __name__)


class PersonForm(FlaskForm):
    name = StringField("Name", validators=[DataRequired()], description="yours")
    about = TextAreaField()
    size = RadioField(choices=[("s", "small"), ("l", "large")], default="s")
    agreed = BooleanField("Agreed")
    submit = SubmitField()


@pages.route("/", methods=["GET", "POST"])
def home() -> ResponseReturnValue:
    form = PersonForm()
    if form.validate_on_submit():
        flash(f"added {form.name.data}", "success")
        return redirect(url_for(".bare"))
    return render_template_string(PAGE, title="Form", form=form)


@pages.get("/bare")
def bare() -> ResponseReturnValue:
    return render_template_string(PAGE, title="Bare")


@pages.get("/async")
async def home_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return render_template_string(PAGE, title="Async", form=PersonForm(request.args))


@pages.app_errorhandler(404)
def not_found(error: Exception) -> ResponseReturnValue:
    return render_template_string(PAGE, title=str(error)), 404


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {"SECRET_KEY": "of the scenario", "BOOTSTRAP_SERVE_LOCAL": True}
    Bootstrap(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [
    LENGTH,
    Named("session", r"(?<=session=)[\w.-]+"),
    Named("csrf token", r'(?<=name="csrf_token" )(.*?)value="[^"]*"', r'\1value="<token>"'),
    SIGNED_AT,
    Named("installed at", r"(?<=^last-modified: ).*$"),
    Named("tag of the file", r"(?<=^etag: ).*$"),
]

TOKEN = Found(r'name="csrf_token" type="hidden" value="([^"]*)"')

EXCHANGES = [
    get("/", "<title>Form</title>", "form-group", "<token>", "/static/bootstrap/css/"),
    get("/?type=horizontal", "form-horizontal"),
    post("/", "This field is required", "has-error", form={"csrf_token": TOKEN}),
    post("/", "CSRF token is missing", form={"name": "ann"}),
    post("/", "location: /bare", form={"name": "ann", "csrf_token": TOKEN}, status=302),
    follow("alert-success", "added ann", "glyphicon-ok"),
    get("/bare", "<title>Bare</title>"),
    get("/async?name=bob", 'value="bob"'),
    get("/static/bootstrap/css/bootstrap.min.css?bootstrap=3.3.7.1.dev1", "Bootstrap v3.3.7"),
    get("/static/bootstrap/css/bootstrap.min.css", headers={"Range": "bytes=0-9"}, status=206),
    get("/static/bootstrap/none.css", "Not Found", status=404),
    send("HEAD", "/"),
    send("DELETE", "/", status=405),
    send("OPTIONS", "/", "allow: GET, HEAD, OPTIONS, POST"),
]
