"""Names of genuine Flask, as they were before the layer took its place."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from asgiref.sync import AsyncToSync as AsyncToSync, SyncToAsync as SyncToAsync
from blinker._utilities import make_id as make_id
from flask import app as _app
from flask.blueprints import Blueprint as Blueprint
from flask.cli import run_command as run_command, with_appcontext as with_appcontext
from flask.ctx import AppContext as AppContext
from flask.wrappers import Request as Request, Response as Response
from werkzeug.serving import run_simple as run_simple

from quart._flask import FlaskRequestContext

RequestContext: Any = FlaskRequestContext

if TYPE_CHECKING:
    from flask.app import Flask as Flask
else:
    # A monitoring agent may have put a derived class in the place of Flask's.
    Flask = next(cls for cls in _app.Flask.__mro__ if cls.__module__ == "flask.app")
