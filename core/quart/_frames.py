"""Tells your code's frames from this project's, in tracebacks and stacks."""

from __future__ import annotations

import os
import sys
from types import CodeType, TracebackType

PACKAGES = ("quart", "quart_flask_patch")


def is_ours(code: CodeType) -> bool:
    """Whether *code* is of the framework or the layer."""
    return is_our_file(code.co_filename)


def is_our_file(path: str) -> bool:
    return path.startswith(_folders())


def _folders() -> tuple[str, ...]:
    files = (getattr(sys.modules.get(name), "__file__", None) for name in PACKAGES)
    return tuple(os.path.dirname(file) + os.sep for file in files if file)


def from_yours(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of *traceback* that begins with your code: the way to it is always the same.

    All of it, if no frame is yours.
    """
    part = traceback
    while part is not None and is_ours(part.tb_frame.f_code):
        part = part.tb_next
    return part or traceback
