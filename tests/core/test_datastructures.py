"""Uploaded files."""

from __future__ import annotations

import asyncio
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage as WerkzeugFileStorage, Headers

from quart.datastructures import awaitable_file, FileStorage, plain_file


def test_it_is_a_werkzeug_file() -> None:
    file = FileStorage(BytesIO(b"data"), "a.txt", "field", headers=Headers({"X-Other": "1"}))
    assert isinstance(file, WerkzeugFileStorage)
    assert (file.filename, file.name, file.read()) == ("a.txt", "field", b"data")
    assert file.headers["X-Other"] == "1"


@pytest.mark.parametrize("kind", ["str", "path", "file"])
def test_save(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "saved"
    destination: Any = {"str": str(path), "path": path}.get(kind) or path.open("wb")

    async def main() -> None:
        await FileStorage(BytesIO(b"data" * 10_000)).save(destination, buffer_size=100)

    asyncio.run(main())
    if kind == "file":
        destination.close()
    assert path.read_bytes() == b"data" * 10_000


def test_load(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_bytes(b"data")

    async def main() -> None:
        file = FileStorage()
        await file.load(tmp_path / "source.txt", buffer_size=3)
        assert (file.filename, file.read()) == ("source.txt", b"data")

    asyncio.run(main())


def test_saving_does_not_block_the_loop() -> None:
    class Slow(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threads.add(threading.current_thread())
            return super().read(size)

    threads: set[threading.Thread] = set()
    asyncio.run(FileStorage(Slow(b"data")).save(BytesIO()))
    assert threads
    assert threading.current_thread() not in threads


def test_two_kinds_of_one_file_share_its_state() -> None:
    ours = FileStorage(BytesIO(b"data"), "name")
    plain = plain_file(ours)
    assert type(plain) is WerkzeugFileStorage
    plain.filename = "other"
    assert ours.filename == "other"
    again = awaitable_file(plain)
    assert type(again) is FileStorage
    assert again.stream is ours.stream

    class Own(WerkzeugFileStorage):
        pass

    own = Own()
    assert awaitable_file(own) is plain_file(own) is own
