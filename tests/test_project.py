"""The project's own rules, as far as a machine can check them."""

import ast
import builtins
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import NamedTuple

import pytest
import werkzeug.exceptions
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SHIPPED = ("core/quart", "quart_flask_patch", "compat_matrix")

FILE_LINES = 400
FILE_LINES_OF = {"core/quart/app.py": 500}
FUNCTION_LINES = 40
FUNCTION_MEDIAN = 6

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


def read_sources(*folders: str, having: str = "") -> list[Source]:
    """Return the files in *folders* whose text has *having* in it; parsing takes its time."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    texts = [(path, path.read_text(encoding="utf-8")) for path in paths]
    return [Source(p, t, ast.parse(t, str(p))) for p, t in texts if having in t]


SOURCES = read_sources(*SHIPPED)
CORE = [source for source in SOURCES if source.name.startswith("core/")]


def functions(tree: ast.AST) -> Iterator[FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FunctionDef))


def code_lines(function: FunctionDef) -> int:
    """The lines of *function* without its decorators and its docstring."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


# --- Sizes ---------------------------------------------------------------------------------------


def test_no_file_outgrows_its_budget() -> None:
    lines = {source.name: source.text.count("\n") for source in SOURCES}
    assert {n: c for n, c in lines.items() if c > FILE_LINES_OF.get(n, FILE_LINES)} == {}


def test_no_function_outgrows_its_budget() -> None:
    lengths = {
        f"{source.name}:{function.lineno} {function.name}": code_lines(function)
        for source in SOURCES
        for function in functions(source.tree)
    }
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES} == {}


@pytest.mark.parametrize("folder", SHIPPED[:2])
def test_functions_are_short_on_the_whole(folder: str) -> None:
    lengths = [
        code_lines(function)
        for source in SOURCES
        if source.name.startswith(folder)
        for function in functions(source.tree)
    ]
    assert statistics.median(lengths or [0]) <= FUNCTION_MEDIAN


# --- Types ---------------------------------------------------------------------------------------

#: How often `Any` may stand in a thousand lines of code, docstrings among them.
ANY_BUDGET = {"core/quart": 40, "quart_flask_patch": 60}


@pytest.mark.parametrize("folder", ANY_BUDGET)
def test_any_is_the_exception(folder: str) -> None:
    """It hides mistakes; `object` is for what is handed on, and `_types.py` has the rest."""
    lines = [
        line
        for source in SOURCES
        if source.name.startswith(folder)
        for line in map(str.strip, source.text.splitlines())
        if line and not line.startswith("#")
    ]
    found = sum(len(re.findall(r"\bAny\b", line)) for line in lines)
    assert found * 1000 / len(lines) <= ANY_BUDGET[folder]


# --- Docstrings ----------------------------------------------------------------------------------


def test_docstrings_have_one_style() -> None:
    """Names of parameters as *name*, and `Raises:` for what a caller can act on."""
    field = re.compile(r"^\s*:(param|type|returns?|rtype|raises)\b")
    wrong = [
        f"{source.name}:{number} {line.strip()}"
        for source in SOURCES
        for number, line in enumerate(source.text.splitlines(), 1)
        if field.match(line)
    ]
    assert wrong == []


# --- Tests ---------------------------------------------------------------------------------------

#: So short it is a wait as any, and so long that something else ends it.
BRIEF, ENDLESS = 0.001, 10


def sleeps(source: Source) -> Iterator[ast.Call]:
    """The sleeps of *source* whose length was chosen: none that asks, time and again, for more."""
    asking = {
        id(node)
        for loop in ast.walk(source.tree)
        if isinstance(loop, ast.While)
        for node in ast.walk(loop)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep":
            length = node.args[0] if node.args else None
            # A name says what it is where it is set.
            chosen = not isinstance(length, ast.Name) and id(node) not in asking
            value = length.value if isinstance(length, ast.Constant) else None
            is_number = isinstance(value, (int, float))
            if chosen and not (is_number and not BRIEF < value < ENDLESS):
                yield node


def test_a_sleep_says_what_it_is_for() -> None:
    """A test waits for events. Where none comes, a comment says what the time is needed for."""
    wrong = []
    for source in read_sources("tests", having="sleep("):
        if source.name.startswith(("tests/bench/", "tests/data/")):
            continue
        lines = source.text.splitlines()
        for call in sleeps(source):
            line = lines[call.lineno - 1]
            if "#" not in line and not lines[call.lineno - 2].lstrip().startswith("#"):
                wrong.append(f"{source.name}:{call.lineno} {line.strip()}")
    assert wrong == []


def test_no_client_loads_certificates_that_it_does_not_need() -> None:
    """httpx loads those of all authorities for each client that does not say what to verify.

    That takes 35 ms, as long as a whole test.
    """
    folders = ("core", "e2e", "layer", "servers", "talk")
    makers = {f"httpx.{name}" for name in ("AsyncClient", "Client", "get", "post", "stream")}
    wrong = [
        f"{source.name}:{node.lineno}"
        for source in read_sources(*(f"tests/{name}" for name in folders), having="httpx.")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in makers
        and "verify" not in {keyword.arg for keyword in node.keywords}
    ]
    assert wrong == []


# --- Imports -------------------------------------------------------------------------------------


def module_of(source: Source) -> str:
    parts = source.path.relative_to(ROOT / "core").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(source: Source, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Absolute names *node* imports: of ``from a import b`` both ``a`` and ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = module_of(source).split(".")
        package = package if source.path.stem == "__init__" else package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, node.module] if node.module else package)
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def test_the_core_knows_nothing_of_the_layer_and_no_flask_app() -> None:
    wrong = [
        f"{source.name}:{node.lineno} {name}"
        for source in CORE
        if source.name != "core/quart/flask_patch.py"  # whose one line is the way to the layer
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported_by(source, node)
        if name.split(".")[0] == "quart_flask_patch"
        or re.match(r"flask\.(app|Flask|blueprints|Blueprint)\b", name)
    ]
    assert wrong == []


def test_private_names_of_flask_stay_in_one_file() -> None:
    wrong = [
        f"{source.name}:{node.lineno} {alias.name}"
        for source in CORE
        if source.name != "core/quart/_flask.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flask"
        for alias in node.names
        if re.match(r"_[a-z]", alias.name)
    ]
    assert wrong == []


# --- Messages ------------------------------------------------------------------------------------

# A bare one of these is a protocol, or carries its own description.
NEEDS_NO_MESSAGE = {
    *("StopIteration", "StopAsyncIteration", "GeneratorExit", "CancelledError"),
    "ClientDisconnectedError",
}


def is_exception_class(name: str) -> bool:
    found = getattr(builtins, name, None) or getattr(werkzeug.exceptions, name, None)
    return isinstance(found, type) or bool(re.match(r"[A-Z]\w*(Error|Exception)$", name))


def says_nothing(raised: ast.expr) -> bool:
    called = isinstance(raised, ast.Call)
    name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised).split(".")[-1]
    if name in NEEDS_NO_MESSAGE or hasattr(werkzeug.exceptions, name):
        return False
    if isinstance(raised, ast.Call) and (raised.args or raised.keywords):
        return False
    return called or is_exception_class(name)


def test_every_raise_carries_a_message() -> None:
    silent = [
        f"{source.name}:{node.lineno} raise {ast.unparse(node.exc)}"
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Raise) and node.exc is not None and says_nothing(node.exc)
    ]
    assert silent == []


def literal_of(text: ast.expr | None) -> str | None:
    """Return *text* if it is written out, with braces for each value in it."""
    match text:
        case ast.Constant(value=str(constant)):
            return constant
        case ast.JoinedStr(values=values):
            return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values)
    return None


def messages(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the messages of *source*'s errors that are written out in it, with their lines."""
    constants = {
        target.id: node.value
        for node in source.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            first = node.exc.args[0]
            text = literal_of(constants.get(first.id) if isinstance(first, ast.Name) else first)
            if text is not None:
                yield node.lineno, text.strip()


def is_in_style(text: str) -> bool:
    """Whether *text* is whole sentences, and says with "expected" what it got instead."""
    is_sentence = re.match(r"[A-Z{'`_-]|\S+[_.(]", text) and text.endswith((".", "?", "{}"))
    says_both = "xpected" not in text or re.search(r"\b(got|returned)\b|\bnot installed\b", text)
    return bool(is_sentence and says_both and "but got" not in text)


#: Messages that Python has for the same error, and reasons that stand within a sentence.
OTHERS_WORDS = re.compile(r"^module '?.*'? has no attribute|^\{\} object has no attribute|^\{\}$")
REASONS = {
    f"quart_flask_patch/migrate/{name}.py"
    for name in ("beside_proxy", "files", "compare/answers", "rewrite/run")
}


def test_messages_have_one_style() -> None:
    """What was expected, what came, and what to do: see "Messages" in docs/contributing.md."""
    odd = [
        f"{source.name}:{line} {text}"
        for source in SOURCES
        if source.name not in REASONS and not source.name.startswith("compat_matrix/")
        for line, text in messages(source)
        if not (is_in_style(text) or OTHERS_WORDS.search(text))
    ]
    assert odd == []


@pytest.mark.parametrize(
    "text",
    [
        "no static folder",
        "Expected a mode, but got {}.",
        "Expected a mode.",
        "Expected a mode, got {}; pass another",
    ],
)
def test_odd_messages_are_noticed(text: str) -> None:
    assert not is_in_style(text)


RAISES = re.compile(r"^(\s*)Raises:\n((?:\1\s+\S.*\n?)+)", re.MULTILINE)


def odd_raises(docstring: str) -> Iterator[str]:
    """Yield what of the errors in *docstring* is not written as `Name: when.`"""
    if len(re.findall(r"\b[Rr]aises:", docstring)) != len(RAISES.findall(docstring)):
        yield docstring
    for _, body in RAISES.findall(docstring + "\n"):
        indent = len(body) - len(body.lstrip())
        entries = re.split(rf"^ {{{indent}}}(?=\S)", body, flags=re.MULTILINE)[1:]
        yield from (e for e in entries if not re.fullmatch(r"[\w.]+: [^A-Z][^\0]*\.\n*", e))


def test_raises_has_one_style() -> None:
    """`Raises:` on a line, and below it for each error its name and when it is raised."""
    odd = [
        f"{source.name}:{node.lineno} {text.strip()}"
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, FunctionDef | ast.ClassDef)
        for text in odd_raises(ast.get_docstring(node) or "")
    ]
    assert odd == []


# --- Words and paths -----------------------------------------------------------------------------

# Put together here, so that this file passes its own test.
UNWANTED = [
    *(f"/{folder}/" for folder in ("work", "farm", "tmp")),
    *(f"{name}.md" for name in ("DESIGN", "INTERFACES", "STYLE", "USERS", "PERFORMANCE")),
    "TODO" + ":",
    "FIX" + "ME",
]


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("needs git and its index, which an unpacked archive does not have")
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_trace_of_the_workshop() -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in UNWANTED if word in text]
    assert found == []


#: English that a reader has to turn around: a clause that stands for a person, and work that moves.
ODD = re.compile(
    r"\b(?:to|for|by|of|from) who\b"
    r"|belongs? into"
    r"|\bbe (?:it|they)\b"
    r"|\b(?:of what|fo[r] who)ever\b|\btells? of\b"
    r"|\bas [A-Z][A-Za-z]+ has it\b"
    r"|(?:^\W*|[.:;] )Who (?!is |may )[a-z]+ ",
    re.MULTILINE,
)
PROSE = {".py", ".md", ".html", ".js"}


def test_the_english_reads_straight_on() -> None:
    """What codespell does not know: pages, comments, docstrings and messages."""
    found = []
    for path in tracked_files():
        if path.suffix not in PROSE or {"data", "standins"} & set(path.parts):
            continue
        text = path.read_text(encoding="utf-8")
        for odd in ODD.finditer(text):
            line = text.count("\n", 0, odd.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {odd[0].strip()}")
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "An answer to" + " who asks.",
        "# Who" + " asks gets it.",
        "It belongs" + " into a thread.",
        "Any request, be" + " it a websocket.",
        "It tells" + " of a change, as" + " ASGI has it.",
    ],
)
def test_odd_english_is_noticed(text: str) -> None:
    assert ODD.search(text)


def test_the_top_level_is_what_it_should_be() -> None:
    visible = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    assert {name for name in visible if not name.startswith(".")} == {
        *("pyproject.toml", "README.md", "CONTRIBUTING.md"),
        *("quart_flask_patch", "flask-stubs", "core", "tests", "compat_matrix", "docs"),
    }


# --- README and CI -------------------------------------------------------------------------------


def readme_commands() -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readme_holds_two_commands() -> None:
    demo, tests = readme_commands()
    install = "pip install -e ./core -e"
    assert demo.startswith(f'{install} ".[demo]" && python -m quart_flask_patch --app docs/')
    assert tests == f'{install} ".[dev]" && python -m pytest'


def packages_of(name: str, *extras: str) -> set[str]:
    """The names of all that an installer needs for *name*, itself too, in this environment."""
    wanted, seen = [(name, frozenset(extras))], set()
    while wanted:
        found = wanted.pop()
        if found in seen:
            continue
        seen.add(found)
        for requirement in map(Requirement, requires(found[0]) or ()):
            applies = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in {"", *found[1]}
            )
            if applies:
                wanted.append((requirement.name, frozenset(requirement.extras)))
    return {re.sub(r"[-_.]+", "-", name).lower() for name, _ in seen}


@pytest.mark.parametrize("extra", ["demo", "dev"])
def test_the_readme_says_how_many_packages_come(extra: str) -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    before = readme.partition(f'".[{extra}]"')[0]
    said = int(re.findall(r"installs about (\d+) packages", before)[-1])
    try:
        count = len(packages_of("quart-flask-patch", extra))
    except PackageNotFoundError as missing:
        pytest.skip(f"needs all of them to count them: {missing}")
    assert abs(said - count) <= max(3, count / 20)


def test_the_readme_names_files_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"\]\((docs/[\w/]+\.\w+)\)", readme)
    assert names
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_the_program_in_the_readme_runs(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    (tmp_path / "app.py").write_text(program, encoding="utf-8")
    check = "import app; print(app.app.test_client().get('/plain').json)"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{'two': 2}\n", done.stderr


def test_ci_takes_the_test_command_from_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    (line,) = (line for line in script.splitlines() if line.startswith("test_command="))
    shell = ["bash", "-c", f'{line}; printf %s "$test_command"']
    printed = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == readme_commands()[1]
    assert 'eval "$test_command ${once_more[*]}"' in script
