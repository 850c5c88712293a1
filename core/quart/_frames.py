"""Tell frames of your code from those of this project and of other packages."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from functools import cache
from types import CodeType, TracebackType

PACKAGES = ("quart", "quart_flask_patch")
#: Matches what follows the folder of installed packages in a path.
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\]([^/\\]+?)(?:\.py)?(?:[/\\]|$)")


def is_ours(code: CodeType) -> bool:
    """Whether *code* belongs to the framework or the layer."""
    return is_our_file(code.co_filename)


def is_our_file(path: str) -> bool:
    return path.startswith(tuple(_folders()))


def package_of(path: str) -> str | None:
    """Return the name of a file's package, ``Python`` for the standard library, None for yours."""
    for folder, name in _folders().items():
        if path.startswith(folder):
            return name
    if found := _INSTALLED.match(path):
        return found[1]
    return "Python" if path.startswith(("<frozen ", _of_python())) else None


def _folders() -> dict[str, str]:
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in PACKAGES}
    return {os.path.dirname(file) + os.sep: name for name, file in files.items() if file}


@cache
def _of_python() -> str:
    return os.path.join(sysconfig.get_paths()["stdlib"], "")


def folded(traceback: TracebackType | None) -> TracebackType | None:
    """Return *traceback* without the frames of ours before your code, and between pieces of it.

    If our code raised the error, the end stays. Everything stays if no frame is yours. *traceback*
    itself does not change.
    """
    parts = []
    while traceback is not None:
        parts.append(traceback)
        traceback = traceback.tb_next
    kept: TracebackType | None = None
    reached = False
    for part in reversed(parts):
        is_other = not is_ours(part.tb_frame.f_code)
        reached = reached or is_other
        if is_other or not reached:
            kept = part if kept is part.tb_next else _before(part, kept)
    return kept if reached else next(iter(parts), None)


def _before(part: TracebackType, rest: TracebackType | None) -> TracebackType:
    return TracebackType(rest, part.tb_frame, part.tb_lasti, part.tb_lineno)
