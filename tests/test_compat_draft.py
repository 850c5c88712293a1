"""``python -m compat_matrix add``: what a row's draft is made of, and what is said of it."""

from __future__ import annotations

import tarfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from compat_matrix import __main__ as tool, _draft, _guess
from compat_matrix._results import Case, Result
from compat_matrix._rows import parse_row, Row
from compat_matrix._sdist import Located

Tree = Callable[..., Path]
Add = Callable[..., tuple[int, str]]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    def make(**files: str) -> Path:
        """An unpacked sdist; in a file's name "__" stands for "/" and "_dot_" for "."."""
        for name, text in files.items():
            path = tmp_path / "top" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "top"

    return make


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["tests/test_a.py", "tests/deep/test_b.py", "examples/test_c.py"], "tests"),
        (["src/ext/tests/test_a.py", "src/ext/code.py"], "src/ext/tests"),
        (["test_ext.py", "ext.py"], "test_ext.py"),
        (["tests/tests.py", "ext.py"], "tests/tests.py"),
        (["checks/a_test.py"], "checks"),
        (["ext/testing.py"], ""),
    ],
)
def test_the_tests_are_found(files: list[str], expected: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert _guess.tests_folder(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"PKG-INFO": "Name: x\nRequires-Dist: six>=1; extra == 'test'\n"}, {"six>=1"}),
        ({"PKG-INFO": "Name: x\nRequires-Dist: six ; extra == 'docs'\n"}, set()),
        (
            {
                "pyproject.toml": "[dependency-groups]\n"
                'tests = ["six==1.16", {include-group = "more"}]\nmore = ["attrs", "ruff"]\n'
            },
            {"six", "attrs"},
        ),
        (
            {
                "tox.ini": "[testenv]\ndeps =\n  pytest\n  -r requirements/ci.txt\n  old: six<1\n",
                "requirements/ci.txt": "# all\nattrs  # why\n-e .\nflake8\n",
            },
            {"attrs"},
        ),
        ({"requirements-test.txt": "six\nSIX>1\nmine[all]\n"}, {"six"}),
        ({"tests/requirements.txt": "six\n", "requirements.txt": "attrs\n"}, {"six"}),
        ({"requirements/dev.in": "six\nmypy\n"}, {"six"}),
    ],
)
def test_requirements_are_guessed(
    files: dict[str, str], expected: set[str], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = _guess.requirements(tmp_path, "Mine")
    assert set(found) == expected


def test_options_that_would_need_a_plugin_are_unset(tree: Tree) -> None:
    top = tree(pyproject_dot_toml='[tool.pytest.ini_options]\naddopts = "-ra --cov=x"\n')
    assert _guess.arguments(top, "tests") == ("tests", "-o", "addopts=")
    top = tree(pyproject_dot_toml='[tool.pytest.ini_options]\naddopts = ["-ra", "--strict"]\n')
    assert _guess.arguments(top, "tests") == ("tests",)


@pytest.fixture
def add(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Add:
    """Run ``add Sample`` on an sdist of *files*, whose suite gives *results* in turn."""
    monkeypatch.setattr(_draft, "HERE", tmp_path)
    (tmp_path / "rows").mkdir()

    def run(*results: Result, arguments: tuple[str, ...] = (), **files: str) -> tuple[int, str]:
        archive = tmp_path / "Sample-1.2.tar.gz"
        with tarfile.open(archive, "w:gz") as file:
            file.add(tree(**files), "Sample-1.2")
        located = Located("1.2", "https://host/Sample-1.2.tar.gz", "5" * 64)
        monkeypatch.setattr(_draft, "locate_sdist", lambda requirement: located)
        monkeypatch.setattr(_draft, "sdist", lambda row, cache: archive)
        given = iter(results)
        monkeypatch.setattr(_draft, "run_suite", lambda row, side, cache: next(given))
        code = tool.main(["add", "Sample", *arguments])
        return code, capsys.readouterr().out

    return run


def draft_in(folder: Path) -> Row:
    return parse_row(tomllib.loads((folder / "rows" / "sample.toml").read_text()), "sample.toml")


def test_a_draft_is_a_row_with_flasks_counts(add: Add, tmp_path: Path) -> None:
    failed = Case("tests/a.py::b", "failed", "E   ConnectionError: no redis at 6379")
    result = Result({"a": Case("a", "passed"), failed.id: failed}, 20.0)
    code, said = add(result, tests__test_a_dot_py="", tox_dot_ini="[testenv]\ndeps = six\n")
    assert code == 0
    row = draft_in(tmp_path)
    assert (row.name, row.version, row.sdist_sha256) == ("sample", "1.2", "5" * 64)
    assert (row.arguments, row.requires, row.tier) == (("tests",), ("six",), "full")
    assert (row.baseline.passed, row.baseline.failed, row.baseline.seconds) == (1, 1, 20.0)
    assert "requires six, from tox.ini" in said
    assert "1 tests do not pass on Flask" in said
    assert "failed: tests/a.py::b  ConnectionError: no redis at 6379" in said
    assert "python -m compat_matrix sample --update" in said


def test_a_module_that_is_missing_is_required(add: Add, tmp_path: Path) -> None:
    lacks = Case("tests/a.py", "error", "E   ModuleNotFoundError: No module named 'a_mock.x'")
    first, second = Result({lacks.id: lacks}), Result({"a": Case("a", "passed")})
    code, said = add(first, second, tests__test_a_dot_py="")
    assert code == 0
    assert draft_in(tmp_path).requires == ("a-mock",)
    assert "requires a-mock, from an import in its tests" in said


def test_an_sdist_without_tests_is_sent_on(add: Add, tmp_path: Path) -> None:
    code, said = add(sample_dot_py="")
    assert code == 3
    assert "try an older release with --version" in said
    assert list((tmp_path / "rows").iterdir()) == []


def test_a_suite_that_does_not_start_makes_no_row(add: Add, tmp_path: Path) -> None:
    code, said = add(Result({}, problem="pytest found no tests", output="a\nb"), test_a_dot_py="")
    assert code == 3
    assert "pytest found no tests; the last it printed:\na\nb" in said
    assert list((tmp_path / "rows").iterdir()) == []


def test_a_row_is_not_written_over_by_accident(add: Add, tmp_path: Path) -> None:
    (tmp_path / "rows" / "sample.toml").write_text("mine")
    with pytest.raises(SystemExit):
        add(tests__test_a_dot_py="")
    assert (tmp_path / "rows" / "sample.toml").read_text() == "mine"
    result = Result({"a": Case("a", "passed")})
    assert add(result, arguments=("--force",), tests__test_a_dot_py="")[0] == 0
    assert draft_in(tmp_path).baseline.passed == 1
