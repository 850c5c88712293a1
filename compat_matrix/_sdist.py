"""Fetch, check and unpack a row's sdist, and add our stand-ins for files that it leaves out."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tomllib
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from compat_matrix._rows import Row, SCENARIO_SUITE
from compat_matrix._uv import EnvironmentProblem, run_uv


@dataclass(frozen=True, slots=True)
class Located:
    """The address and the digest of an sdist on the index."""

    version: str
    url: str
    sha256: str


def locate_sdist(requirement: str) -> Located:
    """Ask the index, through uv, for the newest sdist that *requirement* allows."""
    what = f"looking up the sdist of {requirement}"
    command = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--format", "pylock.toml"]
    lock = run_uv([*command, "--python", sys.executable, "-"], what, stdin=requirement)
    package = tomllib.loads(lock)["packages"][0]
    if "sdist" not in package:
        raise EnvironmentProblem(
            f"{what}: {package['name']} {package.get('version', '')} has none on the index, only"
            f" {', '.join(sorted(package.keys() - {'name', 'version'}))}; choose another version"
        )
    sdist = package["sdist"]
    return Located(package["version"], sdist["url"], sdist["hashes"]["sha256"])


def download(url: str, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=180) as response, partial.open("wb") as file:
            shutil.copyfileobj(response, file)
    except OSError as error:
        raise EnvironmentProblem(f"could not download {url}: {error}; try again") from error
    partial.replace(target)


def sdist(row: Row, cache: Path) -> Path:
    """Return the path of the row's sdist, downloaded if missing and checked by its hash."""
    folder = cache / "sdists"
    kept = sorted(folder.glob(f"{row.sdist_sha256[:16]}-*"))
    if not kept:
        folder.mkdir(parents=True, exist_ok=True)
        url = locate_sdist(f"{row.project or row.name}=={row.version}").url
        kept = [folder / f"{row.sdist_sha256[:16]}-{url.rpartition('/')[2]}"]
        download(url, kept[0])
    found = hashlib.sha256(kept[0].read_bytes()).hexdigest()
    if found != row.sdist_sha256:
        kept[0].unlink()
        raise EnvironmentProblem(
            f"the sdist of {row.requirement} has sha256 {found}, but the row expects"
            f" {row.sdist_sha256}; if the row's version changed, change its sdist_sha256 too"
        )
    return kept[0]


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Put the files of *archive* into *folder*, and none elsewhere."""
    # Python has this since 3.11.4. Before, it is the hash of an archive that you can rely on.
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an sdist and return its one top folder."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            file.extractall(folder)
    else:
        with tarfile.open(archive) as file:
            extract(file, folder)
    (top,) = folder.iterdir()
    return top


def lay_out(row: Row, folder: Path, cache: Path) -> Path:
    """Put the row's suite into *folder*, and return the folder to run it in."""
    if row.scenario:
        shutil.copy(SCENARIO_SUITE, folder)
        return folder
    top = unpack(sdist(row, cache), folder) / row.directory
    add_standins(row, top)
    return top


def add_standins(row: Row, folder: Path) -> None:
    """Copy our stand-ins for files that the sdist leaves out; never replace one of its files."""
    for source in row.standins.rglob("*"):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        target = folder / source.relative_to(row.standins)
        if target.exists():
            raise EnvironmentProblem(
                f"the stand-in {source} would replace a file of the suite; a suite runs untouched,"
                " so remove the stand-in"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
