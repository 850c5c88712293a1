"""Bootstrap-Flask: forms, tables and pages rendered by its macros, and its own files."""

from __future__ import annotations

import asyncio
import tempfile

from flask import Blueprint, flash, Flask, redirect, render_template_string, request, url_for
from flask.typing import ResponseReturnValue
from flask_bootstrap import Bootstrap5
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import BooleanField, FileField, PasswordField, SelectField, StringField, SubmitField
from wtforms.validators import DataRequired, Length

from compat_matrix.scenarios._exchange import (
    follow,
    Found,
    get,
    Named,
    post,
    request as send,
    SIGNED_AT,
)

BASE = """{% from "bootstrap5/form.html" import render_form, render_field, render_form_row %}
{% from "bootstrap5/nav.html" import render_nav_item, render_breadcrumb_item %}
{% from "bootstrap5/pagination.html" import render_pagination, render_pager %}
{% from "bootstrap5/table.html" import render_table %}
{% from "bootstrap5/utils.html" import render_messages, render_icon, render_static %}
<!doctype html><html><head>{{ bootstrap.load_css() }}</head><body>
<nav>{{ render_nav_item("pages.home", "Home") }}{{ render_nav_item("pages.list_", "List") }}</nav>
{{ render_messages(dismissible=True) }}"""
END = "{{ bootstrap.load_js() }}</body></html>"

db = SQLAlchemy()
pages = Blueprint("pages", __name__)


class Person(db.Model):  # type: ignore[name-defined]
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String)


class PersonForm(FlaskForm):
    name = StringField("Name", validators=[DataRequired(), Length(2, 10)], description="yours")
    password = PasswordField("Password")
    colour = SelectField(choices=[("r", "red"), ("b", "blue")])
    picture = FileField()
    agreed = BooleanField("Agreed")
    submit = SubmitField()


@pages.route("/", methods=["GET", "POST"])
def home() -> ResponseReturnValue:
    form = PersonForm()
    if form.validate_on_submit():
        db.session.add(Person(name=form.name.data))
        db.session.commit()
        flash(f"added {form.name.data}", "success")
        return redirect(url_for(".list_"))
    return render_template_string(
        BASE + "{{ render_form(form, novalidate=True) }}" + END, form=form
    )


@pages.get("/list")
def list_() -> ResponseReturnValue:
    page = db.paginate(db.select(Person).order_by(Person.id), per_page=3)
    titles = [("id", "#"), ("name", "Name")]
    text = (
        "{{ render_table(page.items, titles, show_actions=True,"
        " delete_url=('pages.delete', [('number', ':id')]), model=model) }}"
        "{{ render_pagination(page) }}{{ render_pager(page) }}"
    )
    return render_template_string(BASE + text + END, page=page, titles=titles, model=Person)


@pages.post("/delete/<int:number>")
def delete(number: int) -> ResponseReturnValue:
    db.session.delete(db.get_or_404(Person, number))
    db.session.commit()
    flash("deleted", "warning")
    return redirect(url_for(".list_"))


@pages.get("/async")
async def row_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    form = PersonForm(request.args)
    text = "{{ render_form_row([form.name, form.colour]) }}{{ render_icon('heart', 32, 'red') }}"
    return render_template_string(BASE + text + END, form=form)


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {
        "SECRET_KEY": "of the scenario",
        "BOOTSTRAP_SERVE_LOCAL": True,
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tempfile.mkdtemp()}/people.sqlite",
    }
    Bootstrap5(app)
    CSRFProtect(app)
    db.init_app(app)
    with app.app_context():
        db.create_all()
        db.session.add_all(Person(name=f"person {number}") for number in range(7))
        db.session.commit()
    app.register_blueprint(pages)
    return app


DIFFERENCES = [
    Named("session", r"(?<=session=)[\w.-]+"),
    Named("csrf token", r'(?<=name="csrf_token" )(.*?)value="[^"]*"', r'\1value="<token>"'),
    SIGNED_AT,
    Named("installed at", r"(?<=^last-modified: ).*$"),
    Named("tag of the file", r"(?<=^etag: ).*$"),
]

TOKEN = Found(r'name="csrf_token" type="hidden" value="([^"]*)"')
ANN = {"name": "ann", "colour": "b", "csrf_token": TOKEN}

EXCHANGES = [
    get("/", "form-control", "<token>", "nav-link active"),
    post("/", "CSRF token is missing", form={"name": "ann"}, status=400),
    post("/", "This field is required", "is-invalid", form={**ANN, "name": ""}),
    post("/", form={**ANN, "colour": "green"}),
    post("/", "location: /list", form=ANN, status=302),
    follow("added ann", "<table", "pagination"),
    get("/list?page=3", "ann"),
    get("/list?page=9", status=404),
    post("/delete/2", "location: /list", form={"csrf_token": TOKEN}, status=302),
    follow("deleted"),
    post("/delete/2", form={"csrf_token": TOKEN}, status=404),
    get("/async?name=bob", 'value="bob"', "<svg"),
    get("/bootstrap/static/css/bootstrap.min.css", "Bootstrap"),
    get("/bootstrap/static/css/none.css", status=404),
    send("HEAD", "/list"),
    send("PUT", "/", status=405),
]
