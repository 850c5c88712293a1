"""Flask's extensions and applications, unchanged, on an async core.

Importing this package, as ``quart_flask_patch`` or by ``import quart.flask_patch``, puts it in
place as ``flask``.
"""

from __future__ import annotations

__distribution__ = "quart-flask-patch"

from . import _installation as _installation

# isort: split

import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from quart._watching.report import requests as requests, RequestUnderWay as RequestUnderWay

from . import _inject
from ._places import runs_in as runs_in
from ._waiting.bridge import bridged as bridged, wait as wait
from ._watching.thread_stats import Threads as Threads, threads as threads

if _TYPE_CHECKING:
    # With what the layer adds to them, which nobody sees in `flask`'s.
    from .app import Flask as Flask
    from .blueprints import Blueprint as Blueprint

_inject.install(_sys.modules[__name__])
