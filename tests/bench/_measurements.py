"""The measurements by name, in the order in which they are run and reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import _in_process
from ._report import Section
from ._settings import Settings


@dataclass(frozen=True)
class Measurement:
    """Something to measure; ``name`` is on the command line and in the page's markers."""

    name: str
    about: str
    run: Callable[[Settings], Section]


_ALL = (Measurement("in-process", "CPU time per request, no server, no socket", _in_process.run),)
MEASUREMENTS = {measurement.name: measurement for measurement in _ALL}
