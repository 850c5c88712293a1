"""The word at a server's start that the layer is in place."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask.logging import default_handler, has_level_handler


def versions() -> str:
    """Return which layer stands in for which Flask."""
    return f"{_named('quart-flask-patch')} in place of {_named('Flask')}"


def _named(distribution: str) -> str:
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:  # It is on the path, but was not installed.
        return distribution


def announce(app: Any) -> None:
    """Log, as *app* starts to be served, that it is on the layer.

    Where nobody has set up logging that goes to Flask's own handler, to be seen in any server's
    log. `logging.getLogger("quart_flask_patch").setLevel("WARNING")` keeps it away.
    """
    logger = logging.getLogger("quart_flask_patch")
    if not logger.level:
        logger.setLevel(logging.INFO)
        if not has_level_handler(logger):
            logger.addHandler(default_handler)
    logger.info("%s serves %r as ASGI", versions(), app.name)
