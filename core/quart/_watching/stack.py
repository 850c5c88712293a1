"""Cut a stack down to what a report shows: your code, and what it called."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType

from .._frames import is_ours

# Libraries that the framework uses. Their frames count as yours only above your code.
_LIBRARIES = (
    *("asgiref", "blinker", "click", "flask", "greenlet", "hypercorn", "itsdangerous"),
    *("jinja2", "markupsafe", "werkzeug"),
)


def yours(frames: list[FrameType]) -> list[FrameType]:
    """Return the frames from your first one on, without ours; empty if none is yours.

    None is yours while the framework works for itself, as when it imports one of its modules or
    makes the page that shows an error.
    """
    return list(_beneath_us(frames))


def _beneath_us(frames: list[FrameType]) -> Iterator[FrameType]:
    entered = begun = False
    for frame in frames:
        if is_ours(frame.f_code):
            entered = True
            continue
        begun = begun or (entered and not _is_library(frame.f_code))
        if begun:
            yield frame


def _is_library(code: CodeType) -> bool:
    """Whether *code* is Python's own or of a library that the framework uses."""
    path = code.co_filename
    standard, sites, libraries = _folders()
    if path.startswith(sites):
        return path.startswith(libraries)
    return path.startswith(("<frozen ", standard))


@cache
def _folders() -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the folders of the standard library, of other packages, and of libraries we use."""
    paths = sysconfig.get_paths()
    sites = tuple(os.path.join(paths[name], "") for name in ("purelib", "platlib"))
    libraries = (os.path.join(site, name, "") for site in sites for name in _LIBRARIES)
    return os.path.join(paths["stdlib"], ""), sites, tuple(libraries)


def formatted(frames: list[FrameType]) -> str:
    """Return *frames* as a traceback shows them."""
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames)
    return "".join(summary.format())
