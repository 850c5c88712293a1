"""The probe's program: import an application in a process of its own, and write findings as JSON.

``python -m quart_flask_patch.migrate.probe layer|server APP FILE``. With *layer*, it imports the
layer first, as `python -m quart_flask_patch` does. With *server*, it imports only the application,
as a server does that is given `module:app`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path


def main(arguments: list[str]) -> None:
    manner, app, file = arguments
    sys.path.insert(0, os.getcwd())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = _load(manner, app)
        except BaseException as raised:
            error = _cause(raised)
            found = {"error": _said(error), "place": _place(error)}
    said = [str(each.message) for each in caught if _is_ours(each)]
    Path(file).write_text(json.dumps({**found, "warnings": list(dict.fromkeys(said))}), "utf-8")


def _is_ours(caught: warnings.WarningMessage) -> bool:
    return issubclass(caught.category, RuntimeWarning) and "quart.flask_patch" in str(
        caught.message
    )


def _cause(error: BaseException) -> BaseException:
    """Return the error behind *error*, if Flask's command line has wrapped it."""
    context = error.__context__
    return context if type(error).__name__ == "NoAppException" and context else error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _place(error: BaseException) -> str:
    """Return the last line of code in the current folder that the error passed through."""
    here = os.getcwd() + os.sep
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(here)] or frames
    return f"{os.path.relpath(own[-1].filename)}:{own[-1].lineno}" if own else ""


def _load(manner: str, path: str) -> dict[str, object]:
    if manner == "layer":
        import quart_flask_patch  # noqa: F401 - its place is first

        from .inspection import inspect_app, loaded

        return inspect_app(loaded(path))
    return _as_a_server(path)


def _as_a_server(path: str) -> dict[str, object]:
    import importlib

    module, _, name = path.partition(":")
    module = module.removesuffix(".py").replace(os.sep, ".")
    found: object = importlib.import_module(module)
    chosen = getattr(found, name.partition("(")[0], None) if name else None
    # A server calls a factory too, and the factory may import more.
    if callable(chosen) and not hasattr(chosen, "url_map"):
        chosen()
    if "quart_flask_patch" not in sys.modules:
        return {"has_layer": False}
    from quart_flask_patch import _earlier

    classes = [f"{cls.__module__}.{cls.__qualname__}" for cls in _earlier.early_classes()]
    apps = [app.name for app in _earlier.early_applications()]
    return {"has_layer": True, "classes": classes, "apps": apps}


if __name__ == "__main__":
    # Register this module under its name, so that imports of it find this one.
    main(sys.argv[1:])
