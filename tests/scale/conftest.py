"""An environment with what the examples need, and the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from _serving import environment_with

from ._examples import EXAMPLES
from ._services import Redis


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all that the examples need."""
    folder = tmp_path_factory.mktemp("environment")
    return environment_with(folder, "-r", str(EXAMPLES / "requirements.txt"))


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
