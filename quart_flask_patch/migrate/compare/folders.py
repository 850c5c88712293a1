"""Give each side its own folder, with a copy of the current one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .recorded import CompareError

#: Folders that are generated, or that do not belong to the application.
NOT_COPIED = {"__pycache__", "node_modules", "venv", "env", "virtualenv"}
#: The most bytes to copy; a larger folder holds more than an application's source.
MOST = 512 << 20


def copy_folder(source: Path, target: Path) -> None:
    """Copy *source* without hidden folders, environments and caches; links stay links."""
    total = 0
    for folder, folders, files in _walked(source):
        there = target / folder.relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in [*folders, *files]:
            path = folder / name
            if path.is_symlink():
                _link(path, there / name, source)
            elif path.is_file():
                total += path.stat().st_size
                _check(total, source)
                shutil.copy2(path, there / name)


def _walked(source: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for at, folders, files in os.walk(source):
        folder = Path(at)
        folders[:] = sorted(name for name in folders if _is_copied(folder / name))
        yield folder, folders, files


def _is_copied(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in NOT_COPIED
    return not hidden and not (folder / "pyvenv.cfg").exists()


def _link(link: Path, target: Path, source: Path) -> None:
    """Point a link within *source* into the copy; leave other links alone."""
    to = Path(os.path.normpath(link.parent / os.readlink(link)))
    if to.is_relative_to(source):
        target.symlink_to(os.path.relpath(to, link.parent))
    else:
        target.symlink_to(to)


def _check(total: int, source: Path) -> None:
    if total > MOST:
        raise CompareError(
            f"Expected a folder of at most {MOST >> 20} MiB to copy for each side, got more at"
            f" {source}. Run it where the application's source is, or give --no-copy, and have each"
            " side's data in $COMPARE_FOLDER or by --env."
        )
