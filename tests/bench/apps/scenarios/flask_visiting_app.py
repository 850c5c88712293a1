"""The Flask contender, where each request visits a thread that does nothing before it begins.

What that adds is what a thread costs this request: after a wait a processor is slower for a while,
and the more there is to do then the more that comes to.
"""

from __future__ import annotations

from typing import Any

from . import flask_app
from ._visit import visit


def _after_a_visit(app: Any) -> Any:
    async def visiting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await visit()
        await app(scope, receive, send)

    return visiting


applications = {name: _after_a_visit(app) for name, app in flask_app.applications.items()}
