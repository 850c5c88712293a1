"""Services that can be killed and started again, with what they had."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from _serving import free_port, is_listening

from ._machines import Machine, program

PATIENCE = 30.0


def until(ready: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    limit = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < limit, f"waited {patience} seconds: {what}"
        time.sleep(0.05)


class Service:
    """A program that listens on a port, whose files stay in a folder."""

    host = "127.0.0.1"

    def __init__(self, command: list[str], folder: Path, port: int, user: str | None = None):
        self.command, self.folder, self.port, self.user = command, folder, port, user
        self.log = folder / f"{Path(command[0]).name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=file, stderr=file, user=self.user
            )
        until(lambda: self.is_up(self.process), f"{self.command}: {self.log}")

    def is_up(self, process: subprocess.Popen[bytes] | None) -> bool:
        assert process
        assert process.poll() is None, self.log.read_text()
        return is_listening(self.port, self.host)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Redis(Service):
    """As the page has it: each message is on disk before anybody hears of it."""

    def __init__(self, folder: Path, machine: Machine | None = None) -> None:
        port = free_port()
        self.host = machine.address if machine else self.host
        command = [
            *(machine.prefix if machine else ()),
            program("redis-server", "redis-server"),
            *("--bind", self.host, "--port", str(port), "--protected-mode", "no", "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
        ]
        super().__init__(command, folder, port)
        self.url = f"redis://{self.host}:{port}/0"

    def ask(self, *words: str) -> list[str]:
        asked = [program("redis-cli", "redis-tools"), "-u", self.url, *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


class Nginx(Service):
    """nginx with what an example has in its `nginx.conf`, on a free port and in a folder."""

    def __init__(self, folder: Path, text: str) -> None:
        port = free_port()
        text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        user = "user root;" if os.geteuid() == 0 else ""
        self.configuration = folder / "nginx.conf"
        self.configuration.write_text(
            f"{user} daemon off; pid {folder}/pid; error_log stderr;\nevents {{}}\n"
            f"http {{ access_log off; {temporary}\n{text} }}\n"
        )
        command = [program("nginx", "nginx"), "-e", "stderr", "-c", str(self.configuration)]
        super().__init__(command, folder, port)


class Postgres(Service):
    def __init__(self, folder: Path, connections: int = 40, machine: Machine | None = None) -> None:
        port = free_port()
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            pytest.skip("needs PostgreSQL; on Debian: apt-get install postgresql")
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        self.bin, data = found[-1], folder / "data"
        made = [str(self.bin / "initdb"), "--auth=trust", "--username=shop", "--no-sync", str(data)]
        subprocess.run(made, cwd=folder, user=user, check=True, capture_output=True)
        prefix: list[str] = []
        if machine and user:  # who enters a machine has to be root
            self.host = machine.address
            become = [program("setpriv", "util-linux"), "--reuid", user, "--clear-groups"]
            prefix, user = [*machine.prefix, *become], None
            with (data / "pg_hba.conf").open("a") as allowed:
                allowed.write("host all all samenet trust\n")
        command = [
            *(*prefix, str(self.bin / "postgres"), "-D", str(data), "-p", str(port)),
            *("-c", f"listen_addresses={self.host}", "-c", f"unix_socket_directories={folder}"),
            *("-c", f"max_connections={connections}"),
        ]
        super().__init__(command, folder, port, user)
        # The folder is the server's now.
        self.log = folder.parent / "postgres.log"
        self.url = f"postgresql://shop@{self.host}:{port}/postgres"

    def start(self) -> None:
        super().start()
        until(self.answers, f"it has recovered: {self.log}")

    def answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return self.ask("SELECT 1") == "1"
        return False

    def kill(self) -> None:
        """The machine's end, as far as a process can see it."""
        self.stop(signal.SIGQUIT)

    def ask(self, sql: str) -> str:
        asked = [str(self.bin / "psql"), "-X", "-A", "-t", "-c", sql, self.url]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


class PgBouncer(Service):
    """With an example's `pgbouncer.ini`."""

    def __init__(self, folder: Path, text: str, database: int) -> None:
        port = free_port()
        (folder / "userlist.txt").write_text('"shop" ""\n')
        text = text.replace("/etc/pgbouncer/", f"{folder}/").replace(
            "port=5432", f"port={database}"
        )
        (folder / "pgbouncer.ini").write_text(text.replace("6432", str(port)))
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        command = [program("pgbouncer", "pgbouncer"), str(folder / "pgbouncer.ini")]
        super().__init__(command, folder, port, user)
        self.log = folder.parent / "pgbouncer.log"
        self.url = f"postgresql://shop@127.0.0.1:{port}/postgres"

    @property
    def version(self) -> tuple[int, ...]:
        said = subprocess.run(
            [self.command[0], "--version"], capture_output=True, text=True, check=True
        )
        (found,) = re.findall(r"^PgBouncer (\d+\.\d+)", said.stdout, re.MULTILINE)
        return tuple(map(int, found.split(".")))
