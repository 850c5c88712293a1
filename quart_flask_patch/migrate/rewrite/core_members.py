"""A script that runs without the layer: write as JSON which members of the core are async."""

from __future__ import annotations

import inspect
import json
from importlib import import_module

from werkzeug.local import LocalProxy

MODULES = ("quart", "quart.helpers", "quart.templating")
CLASSES = {
    "Request": "quart.wrappers",
    "Response": "quart.wrappers",
    "Quart": "quart.app",
    "Blueprint": "quart.blueprints",
    "QuartClient": "quart.testing",
}


def members(owner: object) -> dict[str, str]:
    """Return the async members of *owner*, each awaited when it is called or when it is read."""
    found = {}
    for name in dir(owner):
        if name.startswith("_"):
            continue
        member = inspect.getattr_static(owner, name)
        if isinstance(member, property):
            if inspect.iscoroutinefunction(member.fget):
                found[name] = "name"
        elif callable(member) and not isinstance(member, LocalProxy):
            # An object that only looks like a function wraps one.
            found |= {name: "call"} if inspect.iscoroutinefunction(inspect.unwrap(member)) else {}
    return found


if __name__ == "__main__":
    table = {name: members(import_module(name)) for name in MODULES}
    for cls, module in CLASSES.items():
        table[cls] = members(getattr(import_module(module), cls))
    print(json.dumps(table))  # noqa: T201 - the output of this script
