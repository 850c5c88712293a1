"""Log, when a server starts, that the layer is in place."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask.logging import default_handler, has_level_handler


def versions() -> str:
    """Return the versions of the layer and of Flask, for logs and reports."""
    return f"{_named('quart-flask-patch')} in place of {_named('Flask')}"


def _named(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:  # The package is on the path, but was not installed.
        return distribution


def announce(app: Any) -> None:
    """Log that *app* runs on the layer, when a server starts it.

    If nobody has set up logging, the line goes to Flask's own handler, so any server's log shows
    it. To silence it, call `logging.getLogger("quart_flask_patch").setLevel("WARNING")`.
    """
    logger = logging.getLogger("quart_flask_patch")
    if not logger.level:
        logger.setLevel(logging.INFO)
        if not has_level_handler(logger):
            logger.addHandler(default_handler)
    logger.info("%s serves %r as ASGI", versions(), app.name)
