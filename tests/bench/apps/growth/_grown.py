"""The same applications from Flask's or Quart's classes and functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _sizes as sizes

View = Callable[..., Any]


def grown(
    new_app: Callable[[str], Any],
    new_blueprint: Callable[[str, str], Any],
    text: View,
    item: View,
    hook: View,
) -> dict[str, Any]:
    """All applications, by the names that the tasks have for them."""

    def with_routes(count: int) -> Any:
        app = new_app(__name__)
        app.add_url_rule("/text", "text", text)
        for n in range(count):
            app.add_url_rule(f"/section{n}/<int:item_id>", f"item{n}", item)
        return app

    def with_blueprints(count: int) -> Any:
        app = new_app(__name__)
        for n in range(count):
            blueprint = new_blueprint(f"part{n}", __name__)
            blueprint.before_request(hook)
            blueprint.add_url_rule(f"/part{n}", "text", text)
            app.register_blueprint(blueprint)
        return app

    def with_hooks(count: int) -> Any:
        app = with_blueprints(1)
        other = new_blueprint("other", __name__)
        for _ in range(count):
            other.before_request(hook)
        other.add_url_rule("/other", "text", text)
        app.register_blueprint(other)
        return app

    return {
        **{f"routes-{n}": with_routes(n) for n in sizes.ROUTES},
        **{f"blueprints-{n}": with_blueprints(n) for n in sizes.BLUEPRINTS},
        **{f"hooks-{n}": with_hooks(n) for n in sizes.HOOKS},
    }
