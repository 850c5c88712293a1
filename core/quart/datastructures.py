"""Uploaded files, whose saving and loading you await."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from shutil import copyfileobj
from typing import Any, IO

from werkzeug.datastructures import (
    FileStorage as WerkzeugFileStorage,
    Headers as Headers,
    iter_multi_items,
)

from ._threads.lease import call


class FileStorage(WerkzeugFileStorage):
    """An uploaded file. Read it as any file: it is in memory or a temporary file."""

    async def save(  # type: ignore[override] # what takes long is awaited here
        self, destination: str | PathLike[str] | IO[bytes], buffer_size: int = 16384
    ) -> None:
        """Write the file to *destination*, a path or an open file, in a worker thread."""
        await call(super().save, destination, buffer_size)

    async def load(self, source: str | PathLike[str], buffer_size: int = 16384) -> None:
        """Replace this file by the one at the path *source*: its name and its content."""
        self.filename = Path(source).name
        await call(_copy_into, self.stream, source, buffer_size)


def _copy_into(stream: IO[bytes], source: str | PathLike[str], buffer_size: int) -> None:
    start = stream.tell()
    with open(source, "rb") as file:
        copyfileobj(file, stream, buffer_size)
    stream.seek(start)


def awaitable_file(file: object) -> Any:
    """Return Werkzeug's *file* as one of ours; the two share their state."""
    return _twin(FileStorage, file) if type(file) is WerkzeugFileStorage else file


def plain_file(file: object) -> Any:
    """Return *file* as Werkzeug's, whose `save` is plain; the two share their state."""
    return _twin(WerkzeugFileStorage, file) if isinstance(file, FileStorage) else file


def _twin(cls: type[WerkzeugFileStorage], file: WerkzeugFileStorage) -> WerkzeugFileStorage:
    twin = cls.__new__(cls)
    twin.__dict__ = file.__dict__
    return twin


def with_each_file(files: Any, change: Callable[[Any], object]) -> Any:
    """Return *files* with *change* applied to each file; the same object if there are none."""
    if not files:
        return files
    return type(files)([(name, change(file)) for name, file in iter_multi_items(files)])
