"""Find the Python files of a code base, and parse them."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

_TESTS = {"tests", "test"}
_SKIPPED = {"build", "dist", "node_modules", "site-packages", "__pycache__", *_TESTS}
#: Levels of nesting, each `elif` and each `+` of a chain is one; and the calls that they take.
DEEPEST, CALLS = 600, 12_000


def python_files(path: Path, with_tests: bool = False) -> Iterator[Path]:
    skipped = _SKIPPED - _TESTS if with_tests else _SKIPPED
    if path.is_file():
        yield path.resolve()
        return
    for folder, folders, files in os.walk(path.resolve()):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if name not in skipped
            and not name.startswith(".")
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            # Links that lead nowhere, and pipes, have nothing to read.
            if (
                name.endswith(".py")
                and os.path.isfile(here / name)
                and (with_tests or not is_test(here / name))
            ):
                yield here / name


def is_test(file: Path) -> bool:
    return file.name.startswith("test_") or file.name == "conftest.py"


def is_among_tests(file: Path, below: Path) -> bool:
    """Whether *file*, *below* within its code base, is a test or is in a folder of tests."""
    return is_test(file) or bool(_TESTS.intersection(below.parts[:-1]))


def module_name(file: Path) -> str:
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or file.parent.name


def parsed(file: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of the code that is read, such as `"\\s"`.
        return ast.parse(file.read_bytes(), str(file))


def check_depth(tree: ast.Module) -> None:
    """Look at how deep *tree* is: it is walked by functions that call themselves.

    Raises:
        ValueError: if that is too deep.
    """
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
