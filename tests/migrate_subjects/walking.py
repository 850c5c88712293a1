"""``--commands``: the way of the page *Migrating*, gone with each command by a code base.

The release that is served (`old`) and the one that moves (`new`) are two copies. Where the commands
are run, what is set up and what is asked for stands in `commands.toml`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import _serving  # noqa: E402  # it needs the path
from _serving import environment, served  # noqa: E402

#: A large application may take long to be imported, and twice that with another beside it.
_serving.PATIENCE = 180.0

COMMANDS = Path(__file__).with_name("commands.toml")
LAYER = "-m", "quart_flask_patch"
PLUGIN = "-p", "quart_flask_patch.pytest_plugin", "-p", "no:cacheprovider", "-o", "addopts="
#: Seconds for one command.
PATIENCE = 1200
HEAD = (
    "| code base | check | compare | tests, and what blocks | endpoints seen | rewrite"
    " | tests after, and what blocks | compare with before | beside |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


class WrongError(Exception):
    """A command has not done what it is there for."""


@dataclass(frozen=True)
class Served:
    """How a code base is served, and what is asked of it."""

    app: str
    requests: str
    directory: str = "."
    setup: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[str, ...] = ("*",)
    watched: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    suite: str = ""


def known() -> dict[str, Served]:
    found = tomllib.loads(COMMANDS.read_text(encoding="utf-8"))
    return {
        name: Served(**{key: tuple(v) if isinstance(v, list) else v for key, v in each.items()})
        for name, each in found.items()
    }


@dataclass
class Walk:
    """One code base on its way; *old* and *new* are its copies, *python* has its packages."""

    name: str
    way: Served
    python: Path
    old: Path
    new: Path
    rewritten: str
    arguments: list[str]

    def row(self) -> str:
        """Go the way, and return what each command said."""
        self.data.mkdir(parents=True)
        self.requests.write_text(self.way.requests.strip() + "\n", "utf-8")
        if self.way.setup:
            self._run(
                self.old_app, shlex.split(f"sh -c {shlex.quote(self._filled(self.way.setup))}")
            )
        said = [
            self.name,
            self.check(),
            self.compare(),
            self.watch("--blocking-baseline-write"),
            self.panel(),
            self.rewrite(),
            self.watch(),
            self.compare("--against-folder", str(self.old_app), "--reference", "hypercorn"),
            self.beside(),
        ]
        return f"| {' | '.join(said)} |"

    # --- where things are ------------------------------------------------------------------------

    @property
    def top(self) -> Path:
        return self.old.parent

    @property
    def data(self) -> Path:
        return self.top / "data"

    @property
    def requests(self) -> Path:
        return self.top / "requests.txt"

    @property
    def old_app(self) -> Path:
        return self.old / self.way.directory

    @property
    def new_app(self) -> Path:
        return self.new / self.way.directory

    def _filled(self, text: str) -> str:
        return text.replace("{folder}", str(self.data))

    def _environment(self) -> dict[str, str]:
        """What the commands are run with; the environment's Python comes first on the path."""
        own = {name: self._filled(text) for name, text in self.way.variables.items()}
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return environment(**own, PATH=path, PYTHONWARNINGS="")

    # --- the commands ----------------------------------------------------------------------------

    def _run(
        self, folder: Path, command: list[str], statuses: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode not in statuses:
            shown = f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
            raise WrongError(
                f"{self.name}: {shlex.join(command)} ended with {done.returncode}: {shown}"
            )
        return done

    def _migrate(self, *arguments: str) -> dict[str, object]:
        command = [str(self.python), *LAYER, "--app", self.way.app, "migrate", *arguments, "--json"]
        done = self._run(self.new_app, command, (0, 1))
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def check(self) -> str:
        report = self._migrate("check", os.path.relpath(self.new / self.rewritten, self.new_app))
        counts, views = report["counts"], report["views"]
        assert isinstance(counts, dict)
        assert isinstance(views, list)
        return f"{len(views)} views, {counts.get('error', 0)} errors"

    def compare(self, *options: str) -> str:
        given = [f"--env={name}={value}" for name, value in self.way.variables.items()]
        given += [f"--rule={rule}" for rule in self.way.rules]
        if self.way.setup:
            setup = self.way.setup.replace("{folder}", "$COMPARE_FOLDER")
            given.append(f"--setup={setup}")
        report = self._migrate("compare", "--requests", str(self.requests), *given, *options)
        exchanges, problems = report["requests"], report["problems"]
        assert isinstance(exchanges, list)
        if problems:
            raise WrongError(f"{self.name}: compare: {problems}")
        differing = [each for each in exchanges if each["differences"]]
        for each in differing:
            print(
                f"{self.name}: {each['method']} {each['path']}: {each['differences']}",
                file=sys.stderr,
            )
        return f"{len(exchanges)} requests, {len(differing)} differ"

    def watch(self, *options: str) -> str:
        baseline = self.top / "blocking.txt"
        arguments, folder = list(self.way.watched) or self.arguments, self.new
        if self.way.suite:
            arguments, folder = ["test_pages.py"], self.new_app
            (folder / "test_pages.py").write_text(self.way.suite, "utf-8")
        command = [str(self.python), "-m", "pytest", "-q", *PLUGIN, "-p", "no:asyncio", *arguments]
        done = self._run(folder, [*command, "--blocking-baseline", str(baseline), *options], (0, 1))
        counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped)", done.stdout[-600:])
        told = re.search(r"(\d+) blocking calls, of which (\d+) are accepted", done.stdout)
        lines = baseline.read_text("utf-8").splitlines()
        accepted = sum(bool(line) and not line.startswith("#") for line in lines)
        new = int(told[1]) - int(told[2]) if told else 0
        block = f"{accepted} block" if options else f"{new} new block"
        return f"{', '.join(counts) or 'no test'}; {block}"

    def _gets(self) -> list[str]:
        lines = self.way.requests.splitlines()
        return [line.split()[1] for line in lines if line.startswith("GET ")]

    def panel(self) -> str:
        command = ["quart_flask_patch", "--app", self.way.app, "run", "--port", "{port}", "--panel"]
        log, python = self.top / "run.log", str(self.python)
        with (
            served(command, self.new_app, self._environment(), log, python) as server,
            httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
        ):
            for path in self._gets():
                client.get(path)
            page = client.get("/_endpoints")
        if page.status_code != 200:
            raise WrongError(f"{self.name}: /_endpoints answers {page.status_code}")
        return str(len(re.findall(r"<tr", page.text)) - 1)

    def rewrite(self) -> str:
        target = os.path.relpath(self.new / self.rewritten, self.new_app)
        chosen = [f"--views={pattern}" for pattern in self.way.endpoints]
        report = self._migrate("rewrite", target, *chosen, "--write")
        counts = report["counts"]
        assert isinstance(counts, dict)
        return f"{counts['rewritten']} of {sum(counts.values())}"

    def beside(self) -> str:
        """Serve both on one port, with the same data; ask each of the two for all pages."""
        shutil.rmtree(self.new_app / "instance", ignore_errors=True)
        if (self.old_app / "instance").exists():
            (self.new_app / "instance").symlink_to(self.old_app / "instance")
        command = ["quart_flask_patch", "--app", self.way.app, "migrate", "beside", self.way.app]
        options = ["--old-folder", str(self.old_app), "--port", "{port}", "--share", "50%"]
        log, python = self.top / "beside.log", str(self.python)
        with served([*command, *options], self.new_app, self._environment(), log, python) as server:
            statuses = {side: list(self._asked(server.url, side)) for side in ("old", "new")}
        equal = sum(a == b for a, b in zip(statuses["old"], statuses["new"], strict=True))
        failed = sum(status >= 502 for status in statuses["old"])
        if failed:
            raise WrongError(
                f"{self.name}: beside: {failed} not answered: {log.read_text()[-1500:]}"
            )
        return f"{len(statuses['old'])} pages, {equal} with one status"

    def _asked(self, url: str, side: str) -> Iterator[int]:
        headers = {"X-Beside": side}
        with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
            for path in self._gets():
                yield client.get(path).status_code


def laid_out(source: Path, folder: Path) -> tuple[Path, Path]:
    """Return two copies of *source*: the release that is served, and the one that moves."""
    old, new = folder / "old", folder / "new"
    for each in old, new:
        shutil.copytree(source, each, symlinks=True)
    return old, new
