"""One rewriting, from the files that are read to those that are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..code import CodeBase, is_in_tests
from .asynchronous import ToAsync
from .edits import edited
from .leaving import ToQuart
from .outcome import ChangedFile, Outcome, said
from .spots import Changes
from .views import chosen, views


class NoSuchView(Exception):
    """A pattern that names no view of the code base."""


def rewrite(path: Path, to: str, patterns: Sequence[str], native: bool = False) -> Outcome:
    """Plan the rewriting of what is beneath *path*; nothing is written."""
    code = CodeBase(path, with_tests=True)
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
        before, after = text.bom + text.bytes, edited(text, edits)
        if before != after:
            found.append(ChangedFile(module.path, module.shown, before, after, text.encoding))
    return found


def write(files: Sequence[ChangedFile]) -> None:
    """Write the files, each whole or not at all."""
    for file in files:
        partial = file.path.with_name(f"{file.path.name}.{os.getpid()}")
        try:
            partial.write_bytes(file.after)
            partial.chmod(file.path.stat().st_mode)
            partial.replace(file.path)
        finally:
            partial.unlink(missing_ok=True)
