"""The Python examples of the documentation, run as written.

The ``python`` blocks of a page run in order in one module, a process to a page, since some pages
put the layer in place as ``flask``. A block may use ``await`` at its top level, as in an asyncio
REPL. What needs packages of its own stands after `<!-- run elsewhere -->`, and other tests run it.
HTML comments that begin with ``<!-- check`` run too: checks for us that a reader does not
see, neither on the pages nor in a repository browser. So do lines after ``% check`` that begin
with ``%``.
"""

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parent.parent / "docs"
LANGUAGES = {"console", "python", "text", "toml", "ini", "html", "json", "nginx"}

BLOCK = re.compile(
    r"^(?<!<!-- run elsewhere -->\n)```python\n(?P<code>(?:.*\n)*?)```$"
    r"|^<!-- check\n(?P<check>(?:.*\n)*?)-->$"
    r"|^% check\n(?P<lines>(?:%.*\n)+)",
    re.MULTILINE,
)


def blocks(text: str) -> Iterator[str]:
    """The examples in *text*, each moved down to the line it has there, for tracebacks."""
    for found in BLOCK.finditer(text):
        group = found.lastgroup or "code"
        code = re.sub(r"(?m)^% ?", "", found[group]) if group == "lines" else found[group]
        yield "\n" * text.count("\n", 0, found.start(group)) + code


def pages() -> list[Path]:
    found = [path for path in DOCS.rglob("*.md") if "_build" not in path.parts]
    return sorted(path for path in found if "examples" not in path.parts)


def run_page(path: Path) -> None:
    """Run the examples of one page; what is awaited shares one event loop."""
    module = sys.modules["app"] = ModuleType("app")
    module.__file__ = os.path.abspath("app.py")
    with asyncio.Runner() as runner:
        for block in blocks(path.read_text(encoding="utf-8")):
            code = compile(block, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, vars(module)))
            else:
                exec(code, vars(module))


@pytest.mark.parametrize(
    "page", [page for page in pages() if any(blocks(page.read_text()))], ids=lambda page: page.stem
)
def test_examples(page: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FLASK_", "QUART_"))}
    result = subprocess.run(
        [sys.executable, "-W", "error", __file__, str(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    # What a destructor raises, a ResourceWarning for one, does not fail the process.
    assert "Exception ignored" not in result.stderr, result.stderr


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_every_block_names_its_language(page: Path) -> None:
    fences = re.findall(r"^```+(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    opening = [fence for fence in fences[::2] if not fence.startswith("{")]
    assert set(opening) <= LANGUAGES


def test_a_page_is_split_into_its_examples() -> None:
    page = "Text\n```python\nx = 1\n```\n\n<!-- check\nassert x == 1\n-->\n\n```text\nno\n```\n"
    first, second = blocks(page)
    assert first.splitlines() == ["", "", "x = 1"]
    assert second.splitlines() == [*[""] * 6, "assert x == 1"]


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))


# --- The page about the design --------------------------------------------------------------------

DESIGN = (DOCS / "design.md").read_text(encoding="utf-8")
PLACES = [DOCS.parent / folder for folder in ("", "core", "core/quart", "quart_flask_patch")]


@pytest.mark.parametrize("package", ["core/quart", "quart_flask_patch"])
def test_the_design_has_every_room(package: str) -> None:
    """What is found by the names of folders alone has to be found on the page, too."""
    (table,) = re.findall(rf"\| room of `{package}/` .*\n\|---.*\n((?:\|.*\n)+)", DESIGN)
    told = set(re.findall(r"^\| `(\w+)/` ", table, re.MULTILINE))
    folders = {path.parent.name for path in (DOCS.parent / package).glob("*/__init__.py")}
    public = {"cli", "contrib", "json", "testing", "wrappers"}
    assert told == folders - public


def test_the_design_names_files_and_things_that_exist() -> None:
    named = re.findall(r"`([^`\n]+)`", DESIGN)
    files = {name for name in named if re.fullmatch(r"[\w/.]+\.py|[\w/]+/", name)}
    assert len(files) > 60
    missing = {name for name in files if not any((place / name).exists() for place in PLACES)}
    assert missing == set()
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("core/quart", "quart_flask_patch")
        for path in (DOCS.parent / package).rglob("*.py")
    )
    # Names of ours are private, or in a class: those of others are in their documentation.
    own = {name.rpartition(".")[2] for name in named if re.fullmatch(r"_[a-z_]\w+|[A-Z]\w+", name)}
    assert {name for name in own if not re.search(rf"\b{name}\b", source)} == set()


def test_the_page_for_contributors_has_the_tests_of_every_room() -> None:
    page = (DOCS / "contributing.md").read_text(encoding="utf-8")
    for package, tests in (("core/quart", "tests/core"), ("quart_flask_patch", "tests/layer")):
        pattern = (
            rf"\| source in `{package}/` \| its tests in `{tests}/` \|\n\|---.*\n((?:\|.*\n)+)"
        )
        (table,) = re.findall(pattern, page)
        files = set(re.findall(r"`(test_\w+\.py)`", table))
        assert {name for name in files if not (DOCS.parent / tests / name).exists()} == set()
        rooms = {path.parent.name for path in (DOCS.parent / package).glob("_*/__init__.py")}
        assert rooms <= set(re.findall(r"`(\w+)/`", table))
