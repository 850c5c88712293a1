"""Each recipe by its one command, and what it says that one can ask."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ._bench import Bench
from ._examples import EXAMPLES
from ._recipes import RECIPES
from ._services import program, until

pytestmark = pytest.mark.timeout(200)
CLONE = Path(__file__).parents[2]


def ask(line: str, folder: Path) -> None:
    """Ask until it is answered; some answers do not end."""

    def is_answered() -> bool:
        asked = re.sub("^curl", "curl --fail --silent --max-time 2", line)
        ran = subprocess.run(asked, shell=True, cwd=folder, capture_output=True, check=False)
        has_ended = ran.returncode == 0 or "--no-buffer" in line
        return has_ended and bool(ran.stdout or "--request POST" in line)

    until(is_answered, line)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_answers_what_it_says_that_one_can_ask(python: str, name: str) -> None:
    program("curl", "curl")
    with TemporaryDirectory(prefix="scale-") as made, ExitStack() as stack:
        folder = Path(made)
        folder.chmod(0o755)
        for line in RECIPES[name](Bench(python, folder, stack)):
            if "-m websockets" not in line:  # it wants a terminal
                ask(line, folder)


def test_one_command_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    program("redis-server", "redis-server")
    log = tmp_path / "log"
    line = [sys.executable, "-m", "tests.scale", "--serve", "in_full"]
    env = os.environ | {"TMPDIR": str(tmp_path)}
    with log.open("wb") as file:
        process = subprocess.Popen(line, cwd=CLONE, env=env, stdout=file, stderr=file)
    try:
        until(lambda: b"Ctrl-C" in log.read_bytes() or process.poll() is not None, "it serves", 120)
        assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert [*tmp_path.glob("scale-*")] == []
    assert started_in(tmp_path) == []


def started_in(folder: Path) -> list[str]:
    """The commands of all processes that have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
    return found


def test_the_page_has_the_command_of_each_recipe() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m tests\.scale --serve (\w+)$", page, re.MULTILINE)
    assert sorted(commands) == sorted(RECIPES)
