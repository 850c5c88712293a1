# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What Flask has not, nor the layer: checkers say so, as they do without the layer."""

from __future__ import annotations

import flask
from flask import Blueprint, current_app, Flask


def use(*values: object) -> None: ...


app = Flask(__name__)
use(flask.absent)  # type: ignore[attr-defined]
use(app.websockets)  # type: ignore[attr-defined]
use(app.websocket(rule=1))  # type: ignore[arg-type]
use(current_app.absent)  # type: ignore[attr-defined]
use(Blueprint("news", __name__).before_serving)  # type: ignore[attr-defined]
