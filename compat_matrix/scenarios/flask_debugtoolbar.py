"""Flask-DebugToolbar: its panels in a page, its redirect page, its own files."""

from __future__ import annotations

import logging
import tempfile

from flask import (
    abort,
    Blueprint,
    Flask,
    g,
    jsonify,
    redirect,
    render_template_string,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_debugtoolbar import DebugToolbarExtension
from flask_sqlalchemy import SQLAlchemy

from compat_matrix.scenarios._exchange import (
    get,
    LENGTH,
    Named,
    post,
    request as send,
    SIGNED_AT,
)

PAGE = "<!doctype html><html><body><h1>{{ title }}</h1>{{ names|join(', ') }}</body></html>"

db = SQLAlchemy()
pages = Blueprint("pages", __name__)


class Person(db.Model):  # type: ignore[name-defined]
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String)


@pages.get("/")
def home() -> ResponseReturnValue:
    g.colour = "blue"
    logging.getLogger("scenario").warning("a line for the log panel")
    found = db.session.scalars(db.select(Person).where(Person.name != "nobody"))
    return render_template_string(PAGE, title="people", names=[person.name for person in found])


@pages.post("/people")
def add() -> ResponseReturnValue:
    db.session.add(Person(name=request.form["name"]))
    db.session.commit()
    session["added"] = request.form["name"]
    return redirect(url_for(".home"))


@pages.get("/json")
def json() -> ResponseReturnValue:
    return jsonify(names=[person.name for person in db.session.scalars(db.select(Person))])


@pages.get("/fragment")
def fragment() -> ResponseReturnValue:
    return "<p>no end of a body</p>"


@pages.get("/error")
def error() -> ResponseReturnValue:
    abort(403)


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    return (f"<p>{number}</p>" for number in range(20))


# Without a handler Flask gives its own pages for errors, which have no toolbar, piece by piece.
@pages.app_errorhandler(404)
@pages.app_errorhandler(403)
def show(error: Exception) -> ResponseReturnValue:
    return render_template_string(PAGE, title=str(error), names=[]), getattr(error, "code", 500)


def create_app() -> Flask:
    app = Flask(__name__)
    app.debug = True
    app.config |= {
        "SECRET_KEY": "of the scenario",
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tempfile.mkdtemp()}/people.sqlite",
        "DEBUG_TB_PROFILER_ENABLED": True,
        "SQLALCHEMY_RECORD_QUERIES": True,
    }
    db.init_app(app)
    DebugToolbarExtension(app)
    app.register_blueprint(pages)
    with app.app_context():
        db.create_all()
    return app


def row_of(names: str) -> str:
    return rf'(?s:\s*<tr class="flDebugRow">\s*<td>({names})</td>.*?</tr>)'


# The core's own settings, beside those of Flask.
CORES = (
    "ASYNC_PLACE|BACKGROUND_TASK_SHUTDOWN_TIMEOUT|BLOCKED_LOOP_WARNING|BODY_TIMEOUT"
    "|CONNECTION_SHUTDOWN_TIMEOUT|ENV|FOLD_TRACEBACKS|PREFER_SECURE_URLS"
    "|PRESERVE_CONTEXT_ON_EXCEPTION"
    "|REQUESTS_SIGNAL|RESPONSE_TIMEOUT|SYNC_PLACE|SYNC_SCHEDULING|SYNC_THREADS"
    "|WEBSOCKET_ORIGINS|WEBSOCKET_REQUEST_HOOKS"
)

DIFFERENCES = [
    LENGTH,
    SIGNED_AT,
    Named("stripes of a table", r"flDebug(Odd|Even)", "flDebugRow"),
    Named("software of the server", row_of("SERVER_SOFTWARE"), ""),
    Named("port of the server", r"(<td>SERVER_PORT</td>\s*<td>)\d+", r"\1<port>"),
    Named("settings of the core", row_of(CORES), ""),
    Named("address", r"(?<= at )0x[0-9a-f]+"),
    Named("profile", r'(?s:(?<=id="flDebugProfilerTable").*?(?=</table>))'),
    Named("duration", r"\d+\.\d+(?= ?ms)"),
    Named("duration in a link", r"(?<=duration=)[\d.e-]+"),
    Named("time of a query", r"(?<=_time=)[\d.]+"),
    Named("duration of a query", r"(?<=<td>)\d+\.\d{4}(?=</td>)"),
    Named("context switches", r"\d+ voluntary, \d+ involuntary"),
    Named("folder of the database", r"(?<=sqlite:///).*?(?=/people)"),
    Named("time of a log line", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+"),
]

EXCHANGES = [
    get("/", "<h1>people</h1>", "flDebug", "a line for the log panel", "blue"),
    post("/people", "flDebug", "Redirect", form={"name": "ann"}),
    get("/", "ann", "SELECT"),
    get("/json", '"ann"'),
    get("/fragment"),
    get("/error", "403 Forbidden", "flDebug", status=403),
    get("/stream", "<p>19</p>"),
    get("/none", status=404),
    get("/_debug_toolbar/static/css/toolbar.css", "#flDebug"),
    get("/_debug_toolbar/static/none.css", status=404),
    get("/_debug_toolbar/views/sqlalchemy/sql_select?query=forged&duration=1", status=406),
    send("HEAD", "/"),
    send("OPTIONS", "/people"),
]
