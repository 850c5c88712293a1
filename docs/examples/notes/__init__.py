"""A small notebook for several people: an ordinary Flask application."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask, Response

from . import api, auth, errors, live, tour, views
from .extensions import csrf, db, login_manager
from .models import create_missing_tables, init_db_command


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:
    app = Flask(__name__, instance_relative_config=True)
    configure(app, test_config)
    db.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    errors.init_app(app)
    for module in (auth, views, api, live, tour):
        app.register_blueprint(module.bp)
    app.cli.add_command(init_db_command)
    app.after_request(add_security_headers)
    create_missing_tables(app)
    return app


def configure(app: Flask, test_config: Mapping[str, Any] | None) -> None:
    """Read `SECRET_KEY` and every `NOTES_...` variable: `NOTES_DATABASE` becomes `DATABASE`."""
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        SESSION_COOKIE_SAMESITE="Lax",
        DATABASE=os.path.join(app.instance_path, "notes.sqlite"),
        NOTES_PER_PAGE=10,
        SUMMARY_SECONDS=0.5,
        # A new database gets an account with some notes, which anybody may use.
        SAMPLES=True,
        # An ASGI server may limit how long an answer takes; an event stream has no end.
        RESPONSE_TIMEOUT=None,
    )
    app.config.from_prefixed_env("NOTES")
    app.config.from_mapping(test_config or {})
    database = Path(app.config["DATABASE"]).resolve()
    database.parent.mkdir(parents=True, exist_ok=True)
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{database}")
    app.secret_key = app.secret_key or kept_key(database.with_suffix(".key"))


def kept_key(path: Path) -> str:
    """Return the key in *path*, made at the first start, so that a restart logs nobody out."""
    if not path.exists():
        made = path.with_name(f"{path.name}.{os.getpid()}")
        made.touch(0o600)
        made.write_text(secrets.token_hex())
        # Another worker process may be first; then its key is the one.
        with suppress(FileExistsError):
            os.link(made, path)
        made.unlink()
    return path.read_text()


def add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
