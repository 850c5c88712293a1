"""The services of scenarios: they run while needed, and a missing one says what to install."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from compat_matrix.scenarios import _services
from compat_matrix.scenarios._services import ServiceMissing, started, VARIABLE


def accepts(address: str) -> bool:
    url = urlsplit(address)
    try:
        socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", _services.SERVICES)
def test_a_service_runs_for_as_long_as_it_is_needed(name: str) -> None:
    try:
        with started(name) as variables:
            assert accepts(variables[VARIABLE])
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    assert not accepts(variables[VARIABLE])


def test_a_service_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_services.shutil, "which", lambda name, path=None: None)
    with pytest.raises(ServiceMissing, match="apt-get install redis-server"), started("redis"):
        pass


def test_who_needs_no_service_gets_none() -> None:
    with started(None) as variables:
        assert variables == {}
