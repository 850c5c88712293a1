"""``migrate beside`` as a command: the Python of the old application, and a terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest

from _serving import end, environment, free_port, PATIENCE, served

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs Unix sockets and terminals")

NEW = """
import os
from flask import Flask

app = Flask(__name__)
app.secret_key = "shared"

@app.get("/")
def index():
    return {"pid": os.getpid()}
"""
OLD = """
import os
import sys
import release
from flask import Flask

app = Flask(__name__)
app.secret_key = "shared"

@app.get("/")
def index():
    version = list(sys.version_info[:2])
    return {"pid": os.getpid(), "release": release.NUMBER, "python": version, "in": sys.prefix}
"""
#: What the old application needs; other packages of ours it does not see.
FLASK = ("flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "click", "blinker")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, program in ("new", NEW), ("old", OLD):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shop.py").write_text(program, "utf-8")
    return tmp_path


# --- another Python ------------------------------------------------------------------------------


def this_python() -> str:
    return sys.executable


def other_python() -> str:
    """Return a Python of another version that Flask runs on; skip if there is none."""
    names = [f"python3.{minor}" for minor in (14, 13, 12, 11, 10)]
    on_path = [found for name in names if (found := shutil.which(name))]
    # Where pyenv and uv keep theirs.
    beside = [each for name in names for each in Path(sys.base_prefix).parent.glob(f"*/bin/{name}")]
    for candidate in [*on_path, *map(str, beside)]:
        with suppress(OSError, subprocess.SubprocessError):
            asked = [candidate, "-c", "import sys, venv; print(sys.version_info[:2])"]
            done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
            if done.stdout.strip() != str(sys.version_info[:2]):
                return candidate
    pytest.skip("there is one Python only")


def release_of(python: str, folder: Path) -> Path:
    """Make an environment with Flask, and a package that this one has not; return its Python."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "release.py").write_text("NUMBER = 41\n", "utf-8")
    for name in FLASK:
        source = Path(str(distribution(name).locate_file(name)))
        # C code of another version is not found there, and Python code is.
        (packages / name).symlink_to(source)
        for metadata in source.parent.glob(f"{name}-*.dist-info"):
            (packages / metadata.name).symlink_to(metadata)
    return folder / "bin" / "python"


@pytest.mark.parametrize("chosen", [this_python, other_python])
def test_the_old_one_has_a_python_of_its_own(folders: Path, chosen: object) -> None:
    assert callable(chosen)
    python = release_of(chosen(), folders / "old" / "environment")
    here = folders / "new"
    command = ["quart_flask_patch", "--app", "shop", "migrate", "beside", "shop:app"]
    options = ["--old-folder", "../old", "--old-python", os.path.relpath(python, here)]
    with served(
        [*command, *options, "--port", "{port}"], here, environment(), folders / "log"
    ) as server:
        old = httpx.get(server.url, trust_env=False, verify=False).json()
        new = httpx.get(
            server.url, headers={"X-Beside": "new"}, trust_env=False, verify=False
        ).json()
    asked = [str(python), "-c", "import sys; print(list(sys.version_info[:2]))"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    assert (old["release"], str(old["python"])) == (41, version)
    assert Path(old["in"]).samefile(folders / "old" / "environment")
    assert set(new) == {"pid"}


# --- a terminal ----------------------------------------------------------------------------------


class Terminal:
    """A process with a terminal of its own, as a person has it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._end, theirs = os.openpty()
        self.shown = ""
        # The terminal is the process's own, so that a key reaches it as a signal.
        script = "import fcntl, os, sys, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        script += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *command],
            cwd=folder,
            env=environment(TERM="xterm", PYTHONWARNINGS=""),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def read_until(self, pattern: str) -> str:
        """Read on until *pattern* is shown, or nothing more comes."""
        while not (found := re.search(pattern, self.shown)):
            try:
                chunk = os.read(self._end, 65536)
            except OSError:
                chunk = b""  # Nobody has the other end any more.
            assert chunk, f"expected {pattern!r}, got {self.shown}"
            self.shown += chunk.decode()
        return found[0]

    def read_all(self) -> str:
        with suppress(AssertionError):
            self.read_until("(?!)")
        return self.shown

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def close(self) -> None:
        end(self.process)
        os.close(self._end)


@pytest.mark.timeout(120)
def test_ctrl_c_in_a_terminal_ends_both(folders: Path) -> None:
    (folders / "old" / "release.py").write_text("NUMBER = 41\n", "utf-8")
    command = ["-m", "quart_flask_patch", "--app", "shop", "migrate", "beside", "shop:app"]
    options = ["--old-folder", str(folders / "old"), "--port", str(free_port())]
    with closing(Terminal([*command, *options], folders / "new")) as opened:
        url = opened.read_until(r"http://127\.0\.0\.1:\d+")
        sides = {"old": httpx.get(url, trust_env=False, verify=False).json()["pid"]}
        chosen = httpx.get(url, headers={"X-Beside": "new"}, trust_env=False, verify=False).json()
        sides["new"] = chosen["pid"]
        assert sides["old"] != sides["new"] == opened.process.pid
        opened.type("\x03")
        shown = opened.read_all()
        status = opened.process.wait(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(sides["old"], 0)
    assert "Traceback" not in shown
    assert status == 0
