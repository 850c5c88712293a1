"""``python -m tests.migrate_subjects [NAME ...]``: rewrite code bases, and run their own tests.

For each subject of `subjects.toml`: its tests on the layer, `migrate rewrite --to async` on all of
its views, the tests again, a second rewriting, which is to change nothing; and for a subject that
`leaves`, `--to quart` and the translated tests on the core alone. sdists are fetched from the index
that uv is set up for. Repositories are looked for in the folder that `--clones` names, each as
`OWNER+NAME/repo`, `NAME` or `NAME.git`. What is made is kept in the matrix' cache, and so is what
the tests said: `rewritten/NAME/before.log` and its neighbours.

With `--commands`, those that `commands.toml` has go the way of the page *Migrating*, with each of
its commands: see `walking.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from compat_matrix._sdist import download, extract, locate_sdist, unpack  # noqa: E402  # it needs the path
from compat_matrix._uv import cache_dir, EnvironmentProblem, run_uv  # noqa: E402
from tests.migrate_subjects import walking  # noqa: E402

SUBJECTS = Path(__file__).with_name("subjects.toml")
ON_THE_LAYER = ("-p", "quart_flask_patch.pytest_plugin")
ON_THE_CORE = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
#: Seconds for one run of tests.
PATIENCE = 1800


@dataclass(frozen=True)
class Subject:
    name: str
    version: str = ""
    project: str = ""
    sha256: str = ""
    repository: str = ""
    directory: str = "."
    #: What is rewritten, if it is not all.
    rewritten: str = "."
    #: Whether its distribution is installed; otherwise its requirements alone.
    installed: bool = True
    requirements: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    leaves: bool = False


@dataclass
class Measured:
    subject: Subject
    lines: int = 0
    views: int = 0
    rewritten: int = 0
    before: str = ""
    after: str = ""
    again: int = -1
    on_the_core: str = ""

    @property
    def is_good(self) -> bool:
        share = self.rewritten >= 0.9 * self.views
        ran = "passed" in self.before
        return ran and share and self.again == 0 and self.after == self.before and self.leaves_well

    @property
    def leaves_well(self) -> bool:
        return not self.subject.leaves or self.on_the_core == self.before

    def row(self) -> str:
        version = self.subject.version[:10]
        core = self.on_the_core or ""
        return (
            f"| {self.subject.name} {version} | {self.lines:,} | {self.rewritten} of {self.views}"
            f" | {self.before} | {self.after} | {core} |"
        )


HEAD = (
    "| code base | lines | views rewritten | tests before | tests after | on the core alone |\n"
    "|---|---|---|---|---|---|"
)


def subjects() -> dict[str, Subject]:
    found = tomllib.loads(SUBJECTS.read_text(encoding="utf-8"))["subject"]
    return {each["name"]: Subject(**each) for each in found}


# --- the source ----------------------------------------------------------------------------------


def lay_out(subject: Subject, folder: Path, clones: Path | None) -> Path:
    """Put the subject's source into *folder*, and return where its tests run."""
    folder.mkdir(parents=True)
    if subject.project:
        return unpack(sdist(subject), folder) / subject.directory
    repository = clone(subject, clones) if subject.repository else ROOT
    command = ["git", "-C", str(repository), "archive", subject.version or "HEAD"]
    done = subprocess.run(command, capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        extract(archive, folder)
    return folder / subject.directory


def sdist(subject: Subject) -> Path:
    located = locate_sdist(f"{subject.project}=={subject.version}")
    if located.sha256 != subject.sha256:
        raise EnvironmentProblem(
            f"expected the sdist of {subject.project} {subject.version} to have sha256"
            f" {subject.sha256}, got {located.sha256}"
        )
    file = cache_dir() / "sdists" / f"{located.sha256[:16]}-{located.url.rpartition('/')[2]}"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        download(located.url, file)
    return file


def clone(subject: Subject, clones: Path | None) -> Path:
    owner, _, name = subject.repository.partition("/")
    for candidate in (f"{owner}+{name}/repo", name, f"{name}.git"):
        if clones is not None and (clones / candidate).exists():
            return clones / candidate
    raise EnvironmentProblem(
        f"expected a clone of {subject.repository} in the folder that --clones names, got none;"
        f" make one that has the commit {subject.version}"
    )


# --- what is done to it --------------------------------------------------------------------------


def environment(subject: Subject, source: Path) -> Path:
    """Return the Python of an environment for the subject's tests."""
    folder = cache_dir() / "subjects" / subject.name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if python.exists():
        return python
    run_uv(["venv", "--quiet", "--python", sys.executable, str(folder)], subject.name)
    wanted = ["-e", str(ROOT / "core"), "-e", f"{ROOT}[migrate]", "gunicorn", "pytest", "waitress"]
    # Its warnings would stop tests that make errors of them.
    wanted += ["pytest-asyncio"] if subject.leaves else []
    wanted += [str(source)] if subject.installed and subject.project else []
    overrides = folder / "overrides.txt"
    overrides.write_text("\n".join(subject.overrides), encoding="utf-8")
    options = ["--quiet", "--python", str(python), "--override", str(overrides)]
    run_uv(["pip", "install", *options, *wanted, *subject.requirements], subject.name)
    return python


def tested(python: Path, source: Path, arguments: Sequence[str], log: Path) -> str:
    """Run the tests, write what they say to *log*, and return how they ended: `24 passed`."""
    command = [str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    log.write_text(done.stdout + done.stderr, "utf-8")
    counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped|xfailed)", done.stdout[-400:])
    return ", ".join(counts) or f"no test: {(done.stdout + done.stderr)[-400:]}"


def rewritten(python: Path, source: Path, target: str, to: str) -> dict[str, object]:
    command = [str(python), "-m", "quart_flask_patch", "migrate", "rewrite", target, "--to", to]
    done = subprocess.run(
        [*command, "--write", "--json"], cwd=source, capture_output=True, text=True, check=False
    )
    if not done.stdout:
        raise EnvironmentProblem(f"the rewriting failed: {done.stderr[-2000:]}")
    report: dict[str, object] = json.loads(done.stdout)
    return report


def measure(subject: Subject, folder: Path, clones: Path | None) -> Measured:
    shutil.rmtree(folder, ignore_errors=True)
    source = lay_out(subject, folder / "async", clones)
    found = Measured(subject, lines=lines_of(source / subject.rewritten))
    python = environment(subject, source)
    arguments = [*ON_THE_LAYER, *(["-p", "no:asyncio"]), *subject.arguments]
    found.before = tested(python, source, arguments, folder / "before.log")
    report = rewritten(python, source, subject.rewritten, "async")
    views = report["views"]
    assert isinstance(views, list)
    found.views = len(views)
    found.rewritten = sum(view["outcome"] != "left" for view in views)
    found.after = tested(python, source, arguments, folder / "after.log")
    again = rewritten(python, source, subject.rewritten, "async")["files"]
    assert isinstance(again, list)
    found.again = len(again)
    if subject.leaves:
        source = lay_out(subject, folder / "quart", clones)
        rewritten(python, source, subject.rewritten, "quart")
        arguments = [*ON_THE_CORE, *subject.arguments]
        found.on_the_core = tested(python, source, arguments, folder / "core.log")
    return found


def walked(subject: Subject, folder: Path, clones: Path | None) -> str:
    """Let the subject go the way, and return its row."""
    shutil.rmtree(folder, ignore_errors=True)
    source = lay_out(subject, folder / "source", clones)
    python = environment(subject, source)
    old, new = walking.laid_out(source, folder)
    way = walking.known()[subject.name]
    walk = walking.Walk(subject.name, way, python, old, new, subject.rewritten, subject.arguments)
    return walk.row()


def lines_of(folder: Path) -> int:
    return sum(len(file.read_bytes().splitlines()) for file in folder.rglob("*.py"))


def measured(chosen: argparse.Namespace) -> Iterator[Measured]:
    known = subjects()
    for name in chosen.names or known:
        yield measure(known[name], cache_dir() / "rewritten" / name, chosen.clones)


def walk_all(chosen: argparse.Namespace) -> None:
    known = subjects()
    print(walking.HEAD)
    for name in chosen.names or walking.known():
        print(walked(known[name], cache_dir() / "walked" / name, chosen.clones), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.migrate_subjects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[[], *subjects()], metavar="NAME")
    parser.add_argument("--clones", type=Path, help="where the repositories are")
    parser.add_argument(
        "--commands", action="store_true", help="go the way with each of the commands"
    )
    chosen = parser.parse_args()
    good = True
    try:
        if chosen.commands:
            walk_all(chosen)
            return
        print(HEAD)
        for found in measured(chosen):
            print(found.row(), flush=True)
            good = good and found.is_good
    except (EnvironmentProblem, walking.WrongError) as problem:
        sys.exit(str(problem))
    sys.exit(not good)


if __name__ == "__main__":
    main()
