"""Start the database that the suite expects somebody to have started."""

import os

import pytest

from compat_matrix.scenarios._services import postgresql, ServiceMissing

_service = postgresql()
try:
    os.environ["DATABASE_URL"] = _service.__enter__().replace("+psycopg2", "")
except ServiceMissing as missing:
    pytest.skip(str(missing), allow_module_level=True)


def pytest_unconfigure() -> None:
    _service.__exit__(None, None, None)
