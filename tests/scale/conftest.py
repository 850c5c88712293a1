"""An environment with what the examples need, and the services."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ._bench import environment_in
from ._services import Postgres, Redis


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all that the examples need."""
    return environment_in(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    service = Redis(folder)
    service.start()
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    # Beside pytest's folders, which are for the user alone that runs the tests.
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        Path(name).chmod(0o755)
        folder = Path(name, "postgres")
        folder.mkdir()
        service = Postgres(folder)
        service.start()
        try:
            yield service
        finally:
            service.stop()
