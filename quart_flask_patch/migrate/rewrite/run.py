"""Run a rewriting, from reading files to writing them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import click
import libcst

from ..code import CodeBase
from ..scopes import is_in_tests
from .asynchronous import ToAsync
from .edits import edited
from .leaving import ToQuart
from .outcome import ChangedFile, Outcome, said
from .spots import Changes
from .views import chosen, views


class NoSuchView(Exception):
    """A pattern that matches no view of the code base."""


class UnreadableError(Exception):
    """A file that cannot be edited, though Python reads it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path


def rewrite(path: Path, to: str, patterns: Sequence[str], native: bool = False) -> Outcome:
    """Plan the rewriting of the code in *path*; this writes nothing."""
    left: dict[str, str] = {}
    while True:
        try:
            return _planned(path, to, patterns, native, left)
        except UnreadableError as error:
            # Other files may depend on its changes, so plan everything again without it.
            left[error.path] = str(error)


def _planned(
    path: Path, to: str, patterns: Sequence[str], native: bool, left: dict[str, str]
) -> Outcome:
    code = CodeBase(path, with_tests=True, unread=left)
    found = [view for view in views(code) if not is_in_tests(view.function.module)]
    meant, lost = chosen(found, patterns)
    if lost:
        known = ", ".join(sorted(view.name for view in found)[:20])
        raise NoSuchView(
            f"Expected --views to name views of {path}, got {', '.join(lost)}, which names none."
            f" There are {known or 'no views'}."
        )
    outcome = Outcome(to)
    for place, why in code.unread:
        outcome.add([said("warning", "unread", place, f"cannot be read: {why}", "mend it first")])
    planned = ToAsync(code, meant, native) if to == "async" else ToQuart(code, meant)
    changes = planned.plan()
    outcome.views, outcome.files = planned.outcomes, list(_files(changes))
    outcome.add(planned.findings)
    return outcome


def _files(changes: Changes) -> list[ChangedFile]:
    found = []
    for path, edits in sorted(changes.edits.items()):
        if not edits:
            continue
        module = changes.modules[path]
        text = changes.text(module)
        try:
            before, after = text.bom + text.bytes, edited(text, edits)
        except (libcst.ParserSyntaxError, RecursionError) as error:
            raise UnreadableError(path, f"LibCST does not read it: {error}") from error
        if before != after:
            found.append(ChangedFile(module.path, module.shown, before, after, text.encoding))
    return found


def write(files: Sequence[ChangedFile]) -> None:
    """Write all files, each as a whole, or none of them.

    Raises:
        click.ClickException: if one cannot be written, or has changed since it was read.
    """
    made: list[tuple[ChangedFile, Path, Path]] = []
    done: list[tuple[ChangedFile, Path]] = []
    try:
        for file in files:
            target = file.path.resolve()  # A link stays a link.
            _check(file, target)
            made.append((file, target, _beside(target, file.after)))
        for file, target, partial in made:
            partial.replace(target)
            done.append((file, target))
    except OSError as error:
        _put_back(done)
        raise click.ClickException(
            f"Expected to be able to write all of {len(files)} files, got {error}. None was"
            " changed."
        ) from error
    finally:
        for _, _, partial in made:
            partial.unlink(missing_ok=True)


def _check(file: ChangedFile, target: Path) -> None:
    if target.read_bytes() != file.before:
        raise OSError(f"another content of {file.shown} than was read just now")
    if not os.access(target, os.W_OK):
        raise OSError(f"{file.shown}, which is read-only")


def _beside(target: Path, content: bytes) -> Path:
    """Write *content* to a new file beside *target*, with the same permissions."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        there = target.stat()
        partial.chmod(there.st_mode)
        with suppress(OSError, AttributeError):
            os.chown(partial, there.st_uid, there.st_gid)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return partial


def _put_back(done: Collection[tuple[ChangedFile, Path]]) -> None:
    for file, target in done:
        with suppress(OSError):
            _beside(target, file.before).replace(target)
