"""An uploaded file, whose saving and loading are awaited."""

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
    """An uploaded file. Reading it is plain, as it is in memory or a temporary file."""

    async def save(  # type: ignore[override] # what takes long is awaited here
        self, destination: str | PathLike[str] | IO[bytes], buffer_size: int = 16384
    ) -> None:
        """Write the file to *destination*, a path or an open file, in a worker thread."""
        await call(super().save, destination, buffer_size)

    async def load(self, source: str | PathLike[str], buffer_size: int = 16384) -> None:
        """Let this be the file at the path *source*: its name, and its content to be read."""
        self.filename = Path(source).name
        await call(_copy_into, self.stream, source, buffer_size)


def _copy_into(stream: IO[bytes], source: str | PathLike[str], buffer_size: int) -> None:
    start = stream.tell()
    with open(source, "rb") as file:
        copyfileobj(file, stream, buffer_size)
    stream.seek(start)


def awaitable_file(file: object) -> Any:
    """Return Werkzeug's *file* as one of ours; what is done to one of the two holds for both."""
    return _twin(FileStorage, file) if type(file) is WerkzeugFileStorage else file


def plain_file(file: object) -> Any:
    """Return *file* as one of Werkzeug's own, whose `save` is plain, with the same state."""
    return _twin(WerkzeugFileStorage, file) if isinstance(file, FileStorage) else file


def _twin(cls: type[WerkzeugFileStorage], file: WerkzeugFileStorage) -> WerkzeugFileStorage:
    twin = cls.__new__(cls)
    twin.__dict__ = file.__dict__
    return twin


def with_each_file(files: Any, change: Callable[[Any], object]) -> Any:
    """Return *files* with each file changed; the same object where there are none."""
    if not files:
        return files
    return type(files)([(name, change(file)) for name, file in iter_multi_items(files)])
