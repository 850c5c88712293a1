"""PyPI's Quart over this project's files, or the reverse, is noticed on import."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import quart
from quart import _installation

ROOT = Path(__file__).parent.parent.parent
CURE = "pip uninstall -y quart quart-flask-patch"


def module(name: str, *, ours: bool) -> ModuleType:
    made = ModuleType(name)
    made.__file__ = f"{name}/__init__.py"
    if ours:
        made.__dict__["__distribution__"] = "quart-flask-patch"
    return made


def add(folder: Path, path: str) -> Path:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).touch()
    return folder / path


def test_silence_where_nothing_is_wrong(tmp_path: Path) -> None:
    add(tmp_path, "quart/app.py")
    add(tmp_path, "quart_flask_patch/app.py")
    _installation.check(
        str(tmp_path), {name: module(name, ours=True) for name in ("quart", "quart_flask_patch")}
    )
    _installation.check(str(tmp_path), {})


@pytest.mark.parametrize(
    ("path", "stranger"),
    [("quart/cli.py", "Quart"), ("quart_flask_patch/_patch.py", "Quart-Flask-Patch")],
)
def test_warning_if_strange_files_lie_beside_ours(tmp_path: Path, path: str, stranger: str) -> None:
    stray = add(tmp_path, path)
    modules = {name: module(name, ours=True) for name in ("quart", "quart_flask_patch")}
    with pytest.warns(RuntimeWarning) as caught:
        _installation.check(str(tmp_path), modules)
    (warning,) = caught
    said = str(warning.message)
    assert f"PyPI's {stranger}" in said
    assert str(stray) in said
    assert CURE in said


@pytest.mark.parametrize("name", ["quart", "quart_flask_patch"])
def test_error_if_a_package_is_not_ours(tmp_path: Path, name: str) -> None:
    modules = {each: module(each, ours=each != name) for each in ("quart", "quart_flask_patch")}
    with pytest.raises(ImportError) as caught:
        _installation.check(str(tmp_path), modules)
    assert caught.value.name == name
    assert caught.value.path == f"{name}/__init__.py"
    assert f"Expected the package '{name}' of quart-flask-patch" in str(caught.value)
    assert CURE in str(caught.value)


def test_this_installation_is_sound() -> None:
    assert _installation.is_ours(quart)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _installation.check(str(ROOT / "core"), sys.modules)


# --- Real installations --------------------------------------------------------------------------


class Environment:
    """A virtual environment that is there for one test."""

    def __init__(self, home: Path, uv: str) -> None:
        self.python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        self._uv = uv
        home.mkdir()
        self._home = home
        self._run(uv, "venv", "--quiet", "--python", sys.executable, str(home))

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self._home, capture_output=True, text=True, check=False)

    def install(self, *options: str) -> None:
        command = [self._uv, "pip", "install", "--quiet", "--python", str(self.python), *options]
        result = self._run(*command)
        if result.returncode:
            pytest.skip(f"needs a package index: {result.stderr[-300:]}")

    def uninstall(self, *names: str) -> None:
        command = [self._uv, "pip", "uninstall", "--quiet", "--python", str(self.python), *names]
        result = self._run(*command)
        assert result.returncode == 0, result.stderr

    def imports(self, source: str) -> str:
        """Run *source* and return what it says on standard error."""
        result = self._run(str(self.python), "-c", source)
        return result.stderr


@pytest.fixture(scope="module")
def uv() -> str:
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("uv")
    if found is None:
        pytest.skip("needs uv")
    return found


@pytest.fixture(scope="module")
def wheel(uv: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("wheel")
    command = [uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"needs a package index, to build a wheel: {built.stderr[-300:]}")
    (path,) = folder.glob("*.whl")
    return str(path)


@pytest.fixture
def environment(uv: str, tmp_path: Path) -> Iterator[Environment]:
    made = Environment(tmp_path / "venv", uv)
    yield made
    shutil.rmtree(tmp_path / "venv")


pypi = pytest.mark.timeout(300)  # downloads, the first time
IMPORTS = ["import quart", "import quart_flask_patch", "from quart import Quart"]


def is_sound(environment: Environment) -> bool:
    return [environment.imports(source) for source in IMPORTS] == ["", "", ""]


@pypi
def test_quart_installed_over_ours(environment: Environment, wheel: str) -> None:
    environment.install(wheel)
    assert is_sound(environment)

    environment.install("--no-deps", "quart==0.22.0")
    for source in IMPORTS:
        said = environment.imports(source)
        assert "ImportError: Expected the package 'quart' of quart-flask-patch, got that" in said
        assert CURE in said

    # Half a cure: what the two have in common is gone.
    environment.uninstall("quart")
    said = environment.imports("import quart_flask_patch")
    assert "ImportError: Expected the package 'quart' of quart-flask-patch, got what is" in said
    assert CURE in said

    # What the message says.
    environment.install("--no-deps", "quart==0.22.0")
    environment.uninstall("quart", "quart-flask-patch")
    environment.install(wheel)
    assert is_sound(environment)


@pypi
def test_ours_installed_over_quart(environment: Environment, wheel: str) -> None:
    environment.install("quart==0.22.0")
    environment.install(wheel)
    said = environment.imports("import quart")
    assert "<string>:1: RuntimeWarning: Expected 'quart' to hold the files of" in said
    assert "Quart too" in said
    assert CURE in said
    assert "Error" not in said


@pypi
def test_quarts_own_layer_in_place_of_ours(
    environment: Environment, wheel: str, tmp_path: Path
) -> None:
    environment.install(wheel)
    # Over ours it does not come, having the same name; where a folder goes before it may.
    environment.install("--no-deps", "--target", str(tmp_path / "first"), "quart-flask-patch==0.3")
    first = f"import sys; sys.path.insert(0, {str(tmp_path / 'first')!r}); "
    said = environment.imports(first + "import quart_flask_patch")
    assert "ImportError: Expected the package 'quart_flask_patch' of quart-flask-patch, got" in said
    assert CURE in said
