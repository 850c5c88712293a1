"""Put the layer in the place of ``flask``.

Three things happen, once, in this order. The core gets the layer's strategy. The few names that the
layer replaces are replaced in Flask's modules, and in each module that has imported them already.
And the layer's package takes the place of ``flask`` in `sys.modules`.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import version
from types import ModuleType
from typing import Any

import flask
import flask.cli

from quart._flask import HAS_ONE_CONTEXT
from quart._threads import strategy

from . import (
    _commands,
    _earlier,
    _own_loop as _own_loop,
    app,
    blueprints,
    cli,
    ctx,
    genuine,
    wrappers,
)
from ._faces import proxies, quart_face, signals
from ._places import LAYER
from ._waiting import asgiref
from ._wsgi import called as called  # registers where WSGI calls run

#: What is replaced: by the name of the module, and the name in it.
REPLACED: dict[tuple[str, str], Any] = {
    ("asgiref.sync", "AsyncToSync"): asgiref.AsyncToSync,
    ("asgiref.sync", "SyncToAsync"): asgiref.SyncToAsync,
    ("blinker._utilities", "make_id"): quart_face.make_id,
    ("flask.app", "Flask"): app.Flask,
    ("flask.blueprints", "Blueprint"): blueprints.Blueprint,
    ("flask.cli", "run_command"): cli.run_command,
    ("flask.cli", "with_appcontext"): _commands.with_appcontext,
    ("flask.ctx", "AppContext"): ctx.AppContext,
    ("flask.wrappers", "Request"): wrappers.Request,
    ("werkzeug.serving", "run_simple"): cli.run_simple,
}
if not HAS_ONE_CONTEXT:
    REPLACED["flask.ctx", "RequestContext"] = ctx.RequestContext
_OURS = ("quart", "quart_flask_patch")
_logger = logging.getLogger("quart_flask_patch")


def install(package: ModuleType) -> None:
    """Put *package* in the place of ``flask``, unless it is there."""
    if sys.modules["flask"] is package:
        return
    _import_all()
    in_its_place = _rebase()
    sentences = [*_carry_over(), *_early_ones(in_its_place)]
    strategy.install(LAYER)
    _replace_names(in_its_place)
    _earlier.explain_asgi_calls()
    proxies.install()
    signals.watch()
    flask.cli.cli.add_command(cli.run_command)
    _fill(package)
    sys.modules["flask"] = package
    sys.meta_path.insert(0, _FlasksFolder)
    for sentence in sentences:
        # Point to the line that imported this package, or `quart.flask_patch`, which imports it.
        warnings.warn(sentence, RuntimeWarning, stacklevel=3 + ("quart.flask_patch" in sys.modules))


class _FlasksFolder:
    """Finds the modules of ``flask`` in Flask's own folder, for `importlib.reload`."""

    path = tuple(flask.__path__)

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, cls.path) if name.rpartition(".")[0] == "flask" else None


def _import_all() -> None:
    """Import all of Flask's modules now; later they would be looked for in the layer's folder."""
    for module in pkgutil.walk_packages(flask.__path__, "flask."):
        if module.name not in {"flask.__main__", "flask.testing"}:
            importlib.import_module(module.name)


def _rebase() -> dict[int, object]:
    """Copy the classes that tools have put in the place of `flask.Flask`, derived from ours.

    Returns the copies by the id of the class that each replaces.
    """
    found = [flask.Flask, importlib.import_module("flask.app").Flask]
    return {
        id(cls): _earlier.rebased(cls)
        for cls in found
        if cls is not genuine.Flask and issubclass(type(app.Flask), type(cls))
    }


def _carry_over() -> Iterator[str]:
    for (_, name), replacement in REPLACED.items():
        theirs = getattr(genuine, name)
        if isinstance(theirs, type) and theirs.__module__.partition(".")[0] == "flask":
            yield from _earlier.carry_over(theirs, replacement)


def _early_ones(in_its_place: dict[int, object]) -> Iterator[str]:
    """Yield a warning about classes and applications that were made from genuine `Flask`."""
    early = [
        f"{cls.__module__}.{cls.__qualname__}"
        for cls in _earlier.early_classes()
        if id(cls) not in in_its_place
    ]
    advice = (
        "Import quart.flask_patch first, or start the application with"
        " `python -m quart_flask_patch`."
    )
    if early:
        yield (
            "Subclassed from flask.Flask before quart.flask_patch was imported, and so still"
            f" Flask's own, on WSGI: {', '.join(early)}. {advice}"
        )
    if names := [repr(found.name) for found in _earlier.early_applications()]:
        yield (
            "Made from flask.Flask before quart.flask_patch was imported, and so still Flask's"
            f" own, on WSGI: the application {', '.join(names)}. {advice}"
        )


def _replace_names(in_its_place: dict[int, object]) -> None:
    originals = {
        id(getattr(genuine, name)): replacement for (_, name), replacement in REPLACED.items()
    } | in_its_place
    # Look into each module, as a program may have imported Flask's names anywhere. Compare by
    # identity, so that only that very object is replaced, under whatever name.
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _OURS:
            continue
        names = dict(getattr(module, "__dict__", {}))
        if originals.keys().isdisjoint(map(id, names.values())):
            continue  # Nearly all modules: this test takes half the time of the loop below.
        for attribute, value in names.items():
            replacement = originals.get(id(value))
            if replacement is not None:
                setattr(module, attribute, replacement)
                _logger.debug("Replaced %s.%s by %r", name, attribute, replacement)


def other_name(name: str) -> object:
    """Return what Flask's module computes on access, such as `__version__`."""
    if name == "testing":
        # `from flask import testing` would look for `quart_flask_patch.testing`.
        return importlib.import_module("flask.testing")
    try:
        return flask.__getattr__(name)
    except AttributeError:
        raise AttributeError(
            f"module 'flask' has no attribute {name!r}. quart_flask_patch stands for it and has"
            f" every name of Flask {version('flask')}, which has no such name either. Whoever asks"
            " for it was written for another release of Flask: install one of it that is not.",
            name=name,
            obj=sys.modules["flask"],
        ) from None


def _fill(package: ModuleType) -> None:
    """Give *package* all names of the genuine module, except those that it defines itself."""
    own = set(vars(package))
    for name, value in vars(flask).items():
        if not (name.startswith("__") or name in own):
            setattr(package, name, value)
    for name, module in list(sys.modules.items()):
        parent, _, child = name.rpartition(".")
        if parent == "flask":
            setattr(package, child, module)
