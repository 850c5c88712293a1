"""Real installations: each line of the page, PyPI's packages of the same names, updates."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "installing.md"
CURE = "pip uninstall -y quart quart-flask-patch"

pypi = pytest.mark.timeout(300)  # downloads, the first time


class Environment:
    """A virtual environment, with uv or with pip."""

    def __init__(self, home: Path, uv: str, installer: str = "uv") -> None:
        self.python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        home.mkdir()
        self._home = home
        if installer == "uv":
            self._run(uv, "venv", "--quiet", "--python", sys.executable, str(home))
            self._pip = [uv, "pip"]
        else:
            self._run(sys.executable, "-m", "venv", str(home))
            self._pip = [str(self.python), "-m", "pip", "--disable-pip-version-check"]
        self._to = ["--python", str(self.python)] if installer == "uv" else []

    def emptied(self) -> Environment:
        """Take both distributions away, and what is left of mixed ones."""
        self.uninstall("quart", "quart-flask-patch")
        for package in ("quart", "quart_flask_patch"):
            for folder in self._home.rglob(f"site-packages/{package}"):
                shutil.rmtree(folder)
        return self

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd or self._home, capture_output=True, text=True, check=False
        )

    def pip(
        self, command: str, *arguments: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self._run(*self._pip, command, *self._to, *arguments, cwd=cwd)

    def install(self, *options: str) -> None:
        result = self.pip("install", "--quiet", *options)
        if result.returncode:
            pytest.skip(f"needs a package index: {result.stderr[-300:]}")

    def sync(self, uv: str, project: Path) -> None:
        """Let uv install what the pyproject.toml in *project* asks for."""
        environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(self._home)}
        command = [uv, "sync", "--quiet", "--project", str(project), "--python", sys.executable]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode and "onnect" in result.stderr:
            pytest.skip(f"needs a package index: {result.stderr[-300:]}")
        assert result.returncode == 0, result.stderr

    def uninstall(self, *names: str) -> None:
        result = self.pip("uninstall", *(["-y"] if not self._to else []), *names)
        assert result.returncode == 0, result.stderr

    def imports(self, source: str) -> str:
        """Run *source* and return what it says on standard error."""
        result = self._run(str(self.python), "-c", source)
        return result.stderr

    def version(self, name: str) -> str:
        source = f"import importlib.metadata as m; print(m.version({name!r}))"
        return self._run(str(self.python), "-c", source).stdout.strip()


@pytest.fixture(scope="module")
def uv() -> str:
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    if found is None:
        pytest.skip("needs uv")
    return found


@pytest.fixture(scope="module")
def built(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what is published: a wheel and an sdist of each."""
    folder = tmp_path_factory.mktemp("built")
    for source in (ROOT / "core", ROOT):
        command = [uv, "build", "--quiet", "--out-dir", str(folder), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs a package index, to build a wheel: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def wheels(built: Path) -> list[str]:
    """The core's wheel, then the layer's."""
    return sorted(map(str, built.glob("*.whl")))


@pytest.fixture(scope="module")
def environments(uv: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Environment]:
    """One for each installer, so that what the two distributions need is unpacked once."""
    folder = tmp_path_factory.mktemp("environments")
    return {name: Environment(folder / name, uv, name) for name in ("uv", "pip")}


@pytest.fixture
def environment(environments: dict[str, Environment]) -> Environment:
    """An environment without the two distributions, with uv."""
    return environments["uv"].emptied()


@pytest.fixture
def with_pip(environments: dict[str, Environment]) -> Environment:
    return environments["pip"].emptied()


@pytest.fixture(params=["uv", "pip"])
def with_each(request: pytest.FixtureRequest, environments: dict[str, Environment]) -> Environment:
    return environments[request.param].emptied()


def is_sound(environment: Environment) -> bool:
    return (
        environment.imports("import quart") == environment.imports("import quart.flask_patch") == ""
    )


@pypi
def test_what_is_published_is_typed_and_licensed(built: Path) -> None:
    for wheel in built.glob("*.whl"):
        names = zipfile.ZipFile(wheel).namelist()
        packages = {name.partition("/")[0] for name in names if ".dist-info" not in name}
        assert packages in ({"quart"}, {"quart_flask_patch", "flask-stubs"})
        assert packages <= {name.partition("/")[0] for name in names if "/py.typed" in name}
        assert any(name.endswith("licenses/license.md") for name in names) or any(
            name.endswith("licenses/docs/license.md") for name in names
        )
    assert len(list(built.glob("*.tar.gz"))) == 2


@pypi
def test_a_package_that_requires_quart_keeps_ours(
    with_each: Environment, wheels: list[str]
) -> None:
    environment = with_each
    environment.install(*wheels)
    ours = version("quart")
    environment.install("quart-cors", "quart-schema[pydantic]", "quart-auth", "quart>=0.20")
    assert environment.version("quart") == ours
    assert is_sound(environment)
    assert environment.imports("import quart_cors, quart_schema, quart_auth") == ""
    assert environment.pip("check").returncode == 0


@pypi
def test_an_upgrade_keeps_ours_as_long_as_it_is_the_newest(
    with_each: Environment, wheels: list[str]
) -> None:
    with_each.install(*wheels)
    with_each.install("--upgrade", "quart")
    assert with_each.version("quart") == version("quart")
    assert is_sound(with_each)


@pypi
@pytest.mark.parametrize("what", ["wheel", "folder"])
def test_the_layer_alone_is_refused_by_the_installer(
    with_each: Environment, wheels: list[str], clone: Path, what: str
) -> None:
    result = with_each.pip("install", wheels[1] if what == "wheel" else str(clone))
    assert result.returncode
    assert "quart==0.23.1+flaskpatch.1" in re.sub(r"\s+", " ", result.stderr)
    assert with_each.version("quart") == ""


@pypi
def test_one_without_the_other_says_so(environment: Environment, wheels: list[str]) -> None:
    core, layer = wheels
    environment.install(core)
    assert environment.imports("import quart") == ""
    said = environment.imports("import quart.flask_patch")
    assert "ModuleNotFoundError: Expected the layer, the distribution quart-flask-patch" in said
    assert "pip install ./core ." in said

    environment.uninstall("quart")
    environment.install("--no-deps", layer)
    said = environment.imports("import quart_flask_patch")
    assert "ModuleNotFoundError: Expected the core" in said
    assert CURE in said


@pypi
def test_quart_in_place_of_ours(environment: Environment, wheels: list[str]) -> None:
    environment.install(*wheels)
    assert is_sound(environment)

    environment.install("quart==0.22.0")
    said = environment.imports("import quart_flask_patch")
    assert "ImportError: Expected the package 'quart' of the project quart-flask-patch, got" in said
    assert CURE in said
    check = environment.pip("check")
    assert check.returncode
    assert "0.23.1+flaskpatch.1" in check.stderr

    # What the message says.
    environment.uninstall("quart", "quart-flask-patch")
    environment.install(*wheels)
    assert is_sound(environment)


@pypi
def test_ours_in_place_of_quart(environment: Environment, wheels: list[str]) -> None:
    environment.install("quart==0.22.0", "quart-flask-patch==0.3.0")
    environment.install(*wheels)
    assert is_sound(environment)


def former_wheel(folder: Path) -> str:
    """A wheel of what this project was at first: one distribution with both packages."""
    path = folder / "quart_flask_patch-1.0.0.dev0-py3-none-any.whl"
    about = "quart_flask_patch-1.0.0.dev0.dist-info"
    metadata = ["Metadata-Version: 2.1", "Name: quart-flask-patch", "Version: 1.0.0.dev0", ""]
    files = {
        f"{about}/METADATA": "\n".join(metadata),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    for package in (ROOT / "core" / "quart", ROOT / "quart_flask_patch"):
        for source in package.rglob("*.py"):
            files[source.relative_to(package.parent).as_posix()] = source.read_text("utf-8")
    files[f"{about}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return str(path)


@pypi
def test_coming_from_the_single_distribution(
    with_each: Environment, wheels: list[str], tmp_path: Path
) -> None:
    environment = with_each
    environment.install("--no-deps", former_wheel(tmp_path))
    environment.install(*wheels)
    # The old one may have taken the core's new files away with its own; then the message mends it.
    if said := environment.imports("import quart_flask_patch"):
        assert CURE in said
        environment.uninstall("quart", "quart-flask-patch")
        environment.install(*wheels)
    assert is_sound(environment)


def lay_over(environment: Environment, folder: Path, *requirements: str) -> str:
    """Put the files of *requirements* over those in *folder*; return what goes before an import."""
    environment.install("--no-deps", "--target", str(folder), *requirements)
    return f"import sys; sys.path.insert(0, {str(folder)!r}); "


@pypi
def test_files_of_quart_laid_over_ours(
    environment: Environment, wheels: list[str], tmp_path: Path
) -> None:
    environment.install(*wheels)
    first = lay_over(environment, tmp_path / "first", wheels[0])
    shutil.rmtree(next((tmp_path / "first").glob("quart-*.dist-info")))
    quart_first = lay_over(environment, tmp_path / "first", "quart==0.22.0")
    assert first == quart_first
    said = environment.imports(first + "import quart")
    assert CURE in said
    assert "of the project quart-flask-patch, got that of PyPI's Quart (" in said


@pypi
def test_quarts_own_layer_in_place_of_ours(
    environment: Environment, wheels: list[str], tmp_path: Path
) -> None:
    environment.install(*wheels)
    # Over ours it does not come, having the same name; where a folder goes before it may.
    first = lay_over(environment, tmp_path / "first", "quart-flask-patch==0.3")
    said = environment.imports(first + "import quart_flask_patch")
    assert "ImportError: Expected the package 'quart_flask_patch' of the project" in said
    assert CURE in said


# --- The page -------------------------------------------------------------------------------------

REPOSITORY = "https://git.example.org/quart-flask-patch.git"


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of *language* in the section of the page with that *heading*."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve *folder* as any web server does, and give its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository with what has been changed in it, and with one branch, `main`."""
    folder = tmp_path_factory.mktemp("clone") / "quart-flask-patch"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("needs git and its index, which an unpacked archive does not have")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "compat_matrix/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*me, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def repository(clone: Path) -> Iterator[str]:
    """The address of the clone, on a web server."""
    subprocess.run(["git", "update-server-info"], cwd=clone, check=True)
    with served(clone) as address:
        yield f"{address}/.git"


def has_both(environment: Environment) -> bool:
    names = ("quart", "quart-flask-patch")
    return is_sound(environment) and all(environment.version(n) == version(n) for n in names)


@pypi
@pytest.mark.parametrize("number", range(3))
def test_the_lines_for_pip(
    with_pip: Environment, clone: Path, repository: str, number: int
) -> None:
    here = clone.parent / "yourapp"
    here.mkdir(exist_ok=True)
    block = blocks("With pip", "console")[number]
    for line in block.replace(REPOSITORY, repository).splitlines():
        pip, command, *arguments = shlex.split(line)
        assert pip == "pip"
        result = with_pip.pip(command, *arguments, cwd=here)
        if result.returncode and "onnection" in result.stderr:
            pytest.skip("needs a package index")
        assert result.returncode == 0, result.stderr
    assert has_both(with_pip)


@pypi
def test_the_lines_for_requirements_txt(
    environment: Environment, repository: str, tmp_path: Path
) -> None:
    (lines,) = blocks("In requirements.txt", "text")
    (tmp_path / "requirements.txt").write_text(lines.replace(REPOSITORY, repository))
    environment.install("-r", str(tmp_path / "requirements.txt"))
    assert has_both(environment)


@pypi
@pytest.mark.parametrize("source", ["repository", "clone"])
def test_the_lines_for_uv(
    source: str, environment: Environment, uv: str, clone: Path, repository: str, tmp_path: Path
) -> None:
    (table,) = blocks("With uv", "toml")
    if source == "clone":
        core, layer = (f"{{ path = {str(path)!r} }}" for path in (clone / "core", clone))
        table = re.sub(r"(?m)^quart = .*", f"quart = {core}", table)
        table = re.sub(r"(?m)^quart-flask-patch = .*", f"quart-flask-patch = {layer}", table)
    (tmp_path / "pyproject.toml").write_text(table.replace(REPOSITORY, repository))
    environment.sync(uv, tmp_path)
    assert has_both(environment)


@pypi
def test_the_lines_for_poetry(uv: str, clone: Path, tmp_path: Path) -> None:
    (table,) = blocks("With Poetry", "toml")
    table = table.replace(REPOSITORY, clone.as_uri())
    # By default it asks for a description of each version, which few mirrors have. Named as a
    # source, the same index is asked for its plain lists only.
    table += f'[[tool.poetry.source]]\nname = "simple"\nurl = "{index_of_pip()}"\n'
    (tmp_path / "pyproject.toml").write_text(table)
    places = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(tmp_path / "cache")}
    command = [uv, "tool", "run", "--quiet", "poetry", "install", "--no-interaction"]
    result = subprocess.run(
        command,
        cwd=tmp_path,
        env={name: os.environ[name] for name in os.environ if name != "VIRTUAL_ENV"} | places,
        capture_output=True,
        text=True,
        check=False,
    )
    said = result.stdout + result.stderr
    if result.returncode and ("onnect" in said or "not found" in said):
        pytest.skip(f"needs Poetry and a package index: {said[-300:]}")
    assert result.returncode == 0, said
    scripts = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    python = tmp_path / ".venv" / scripts
    shown = subprocess.run(
        [python, "-m", "quart_flask_patch", "--version"], capture_output=True, text=True, check=True
    )
    for name in ("Quart", "Quart-Flask-Patch"):
        assert f"{name} {version(name.lower())}" in shown.stdout


def index_of_pip() -> str:
    """The index that uv or pip is told to use, else theirs by default."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if url := os.environ.get(name):
            return url
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "https://pypi.org/simple/"


@pypi
def test_the_lines_for_an_index(
    environment: Environment, uv: str, wheels: list[str], tmp_path: Path
) -> None:
    for name, wheel in zip(("quart", "quart-flask-patch"), wheels, strict=True):
        folder = tmp_path / "served" / "simple" / name
        folder.mkdir(parents=True)
        shutil.copy(wheel, folder)
    (exact,) = blocks("From an index of your own", "text")
    (table,) = blocks("From an index of your own", "toml")
    project = (
        '[project]\nname = "yourapp"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["quart", "{exact.strip()}"]\n\n'
    )
    with served(tmp_path / "served") as url:
        table = table.replace("https://packages.example.org", url)
        (tmp_path / "pyproject.toml").write_text(project + table)
        environment.sync(uv, tmp_path)
    assert has_both(environment)


DOCKERFILES = (
    "docs/installing.md",
    "docs/production.md",
    "docs/examples/scale/containers/Dockerfile",
)


def installs(name: str) -> tuple[str, ...]:
    """What the one `RUN pip install` of a Dockerfile is given, which may stand on a page."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^RUN --mount.* pip install --no-cache-dir (.*)$", text, re.MULTILINE)
    return tuple(shlex.split(line))


@pypi
def test_the_lines_for_docker(environment: Environment, wheels: list[str], tmp_path: Path) -> None:
    # What else a file names is the application's affair.
    (tmp_path / "requirements.txt").write_text(f"quart-flask-patch=={version('quart-flask-patch')}")
    mounts = {"/wheels": Path(wheels[0]).parent, "/requirements.txt": tmp_path / "requirements.txt"}
    for line in {*map(installs, DOCKERFILES)}:
        given = [str(mounts.get(each, each)) for each in line]
        result = environment.emptied().pip("install", *given)
        if result.returncode and "onnect" in result.stderr:
            pytest.skip(f"needs a package index: {result.stderr[-300:]}")
        assert result.returncode == 0, result.stderr
        assert has_both(environment)


def test_the_page_names_the_versions_that_there_are() -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in DOCKERFILES)
    assert set(re.findall(r"quart==([\w.+]+)", text)) == {version("quart")}
    assert set(re.findall(r"quart-flask-patch==([\w.+]+)", text)) == {version("quart-flask-patch")}
