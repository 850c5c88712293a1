"""Each server, started once for all questions, and once below a path to be ended."""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import quart
from _serving import environment, served
from _tls import Certificate, make_certificate

from ._client import Client
from ._servers import Serving, WITH_EACH_APPLICATION

HERE = Path(__file__).parent
# What a server's own dependencies are about to change is not for these tests to say.
WARNINGS = "default"


@pytest.fixture(scope="session", params=WITH_EACH_APPLICATION, ids=str)
def serving(request: pytest.FixtureRequest) -> Serving:
    chosen: Serving = request.param
    for name in chosen.needs:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed, so nothing is known of {chosen.name}")
    return chosen


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@contextmanager
def client_of(
    serving: Serving, certificate: Certificate | None, log: Path, *options: str
) -> Iterator[Client]:
    command = [*serving.command, *options]
    if certificate:
        for option, value in zip(
            serving.tls_options, (certificate.file, certificate.key), strict=True
        ):
            command += [option, value]
    env = environment(**serving.variables) | {"PYTHONWARNINGS": WARNINGS}
    with served(command, HERE, env, log) as server:
        client = Client(serving, server, certificate)
        with client.http:
            yield client


def certificate_for(serving: Serving, request: pytest.FixtureRequest) -> Certificate | None:
    return request.getfixturevalue("certificate") if serving.tls else None


@pytest.fixture(scope="session")
def client(
    serving: Serving, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of the server, which must make no complaint but of the errors on purpose."""
    log = tmp_path_factory.mktemp("served") / "log"
    with client_of(serving, certificate_for(serving, request), log) as one:
        yield one
    check_log(log.read_text(errors="replace"))


def check_log(text: str) -> None:
    """Check that no error but those on purpose has come out of our code."""
    # Servers have errors of their own, above all when a client leaves.
    for trace in text.split("Traceback (most recent call last):")[1:]:
        *_, raised_in = re.findall(r'File "(.+)", line', trace) or [""]
        is_ours = Path(quart.__file__).parent in Path(raised_in).parents
        assert "on purpose" in trace or not is_ours, trace


@pytest.fixture(scope="session")
def rooted_client(
    serving: Serving, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of a server below `/base`, which a question may end."""
    log = tmp_path_factory.mktemp("rooted") / "log"
    certificate = certificate_for(serving, request)
    with client_of(serving, certificate, log, serving.root_option, "/base") as one:
        yield one
