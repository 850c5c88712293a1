"""Run Flask's extensions and applications, unchanged, on an async core.

Importing this package, as ``quart_flask_patch`` or by ``import quart.flask_patch``, puts it in the
place of ``flask``.
"""

from __future__ import annotations

__distribution__ = "quart-flask-patch"

from . import _installation as _installation

# isort: split

import sys as _sys
from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import _inject
from ._places import runs_in as runs_in
from ._waiting.bridge import awaited as awaited, bridged as bridged, wait as wait

if _TYPE_CHECKING:
    from quart._watching.report import requests as requests, RequestUnderWay as RequestUnderWay

    # Flask's, with what the layer adds to them; the folder `flask-stubs` has them as `flask`'s.
    from ._typed import Blueprint as Blueprint, Flask as Flask
    from ._watching.measures import (
        Endpoint as Endpoint,
        endpoints as endpoints,
        measure as measure,
    )
    from ._watching.thread_stats import Threads as Threads, threads as threads
else:
    _WHEN_ASKED_FOR = {
        "Endpoint": "quart_flask_patch._watching.measures",
        "endpoints": "quart_flask_patch._watching.measures",
        "measure": "quart_flask_patch._watching.measures",
        "RequestUnderWay": "quart._watching.report",
        "requests": "quart._watching.report",
        "Threads": "quart_flask_patch._watching.thread_stats",
        "threads": "quart_flask_patch._watching.thread_stats",
    }

    def __getattr__(name: str) -> object:
        if (module := _WHEN_ASKED_FOR.get(name)) is not None:
            return getattr(_import_module(module), name)
        return _inject.other_name(name)


_inject.install(_sys.modules[__name__])
