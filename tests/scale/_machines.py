"""Machines with a network between them, made of Linux' network namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex

import pytest


def program(name: str, package: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin")
    if found is None:
        pytest.skip(f"needs {name}; on Debian: apt-get install {package}")
    return found


@dataclass(frozen=True)
class Machine:
    """A network of its own, with a cable that can be cut."""

    name: str
    address: str

    @property
    def prefix(self) -> Sequence[str]:
        """What stands before a command that is run there."""
        return (program("ip", "iproute2"), "netns", "exec", self.name)

    def cut(self) -> None:
        """Nothing gets through any more, and nobody is told."""
        ip("link", "set", self.name, "down")

    def mend(self) -> None:
        ip("link", "set", self.name, "up")


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Machines beside this one, which is on their network too."""
    program("ip", "iproute2")
    if os.geteuid() != 0:
        pytest.skip("needs root, to make network namespaces")
    bridge, network = f"q{token_hex(4)}", f"10.{213}.{ord(os.urandom(1))}"
    made: list[Machine] = []
    try:
        ip("link", "add", bridge, "type", "bridge")
        ip("address", "add", f"{network}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number in range(count):
            made.append(Machine(f"{bridge}m{number}", f"{network}.{number + 2}"))
            connect(made[-1], bridge)
        yield made
    finally:
        for machine in made:
            ip("link", "delete", machine.name)
            ip("netns", "delete", machine.name)
        ip("link", "delete", bridge)


def connect(machine: Machine, bridge: str) -> None:
    name = machine.name
    ip("netns", "add", name)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", name, "master", bridge, "up")
    ip("-n", name, "link", "set", "lo", "up")
    ip("-n", name, "link", "set", "eth0", "up")
    ip("-n", name, "address", "add", f"{machine.address}/24", "dev", "eth0")


def ip(*words: str) -> None:
    ran = subprocess.run(
        [program("ip", "iproute2"), *words], capture_output=True, text=True, check=False
    )
    if "not permitted" in ran.stderr:
        pytest.skip(f"may not make network namespaces: {ran.stderr}")
    assert ran.returncode == 0, f"{words}: {ran.stderr}"
