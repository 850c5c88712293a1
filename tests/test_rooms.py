"""Which room may import which: the shape of the two packages, as a table that is held against them.

A room is a folder `_noun/` of machinery, or a public module or package that stands beside it. What
is imported when a module is loaded goes one way only. What is imported later, in a function, is
listed with its reason: it is easily missed, and it can close a circle.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from test_project import FunctionDef, read_sources, ROOT, Source

PACKAGES = {"quart": ROOT / "core/quart", "quart_flask_patch": ROOT / "quart_flask_patch"}

#: Of each room, the rooms of its own package that it may import when it is loaded. A room may
#: import rooms of earlier lines only, so nothing goes in circles.
MAY_IMPORT: dict[str, dict[str, str]] = {
    "quart": {
        "_flask": "",
        "_frames": "",
        "_installation": "",
        "_stock": "",
        "_types": "",
        "config": "",
        "flask_patch": "",
        "globals": "",
        "signals": "",
        "_formats": "_flask _stock _types",
        "_kind": "signals",
        "_loops": "_types",
        "json": "_formats _stock globals",
        "logging": "_frames",
        "typing": "_types",
        "_threads": "_loops _types globals",
        "views": "_types globals typing",
        "_rendering": "_stock _threads _types",
        "_watching": "_frames _loops _threads",
        "datastructures": "_threads",
        "utils": "_formats _threads _types typing",
        "formparser": "_formats _stock datastructures",
        "wrappers": "_flask _formats _kind _loops _stock _threads _types datastructures"
        " formparser globals json signals utils",
        "_connection": "_flask _formats _loops _stock _types globals wrappers",
        "_files": "_stock globals utils wrappers",
        "debug": "_frames wrappers",
        "routing": "_formats _kind _stock wrappers",
        "sessions": "_formats _stock wrappers",
        "_handling": "_connection _flask _formats _frames _kind _loops _stock _threads _types"
        " globals json routing sessions signals wrappers",
        "asgi": "_connection _formats _kind _loops _stock _types wrappers",
        "helpers": "_files _flask _threads globals signals typing utils wrappers",
        "_serving": "_connection _formats _handling _loops _threads _types globals helpers"
        " signals utils",
        "ctx": "_flask _handling _kind _loops _threads globals routing",
        "cli": "_installation _serving _threads _types globals helpers",
        "templating": "_handling _rendering _threads ctx globals helpers signals utils",
        "__main__": "cli",
        "_application": "_flask _handling _kind _serving _stock _types cli ctx globals helpers"
        " routing templating",
        "app": "_application _connection _flask _handling _kind _stock _threads _types asgi"
        " config ctx globals helpers json logging routing sessions templating utils wrappers",
        "blueprints": "_application _flask _types",
        ".": "_installation app blueprints cli config ctx globals helpers json signals templating"
        " typing wrappers",
        "testing": "_connection _types app cli datastructures globals json sessions typing utils"
        " wrappers",
    },
    "quart_flask_patch": {
        "_announcement": "",
        "_entry": "",
        "_guards": "",
        "_installation": "",
        "_measured": "",
        "_waiting": "",
        "genuine": "",
        "_commands": "_waiting genuine",
        "_environs": "_waiting",
        "_old_signatures": "genuine",
        "_watching": "_measured _waiting",
        "contrib": "_waiting",
        "_requests": "_environs _waiting",
        "blueprints": "_commands",
        "wrappers": "_environs _requests _waiting",
        "_defaults": "wrappers",
        "ctx": "_environs _guards genuine wrappers",
        "app": "_announcement _commands _defaults _entry _environs _guards _old_signatures"
        " _requests _waiting ctx genuine wrappers",
        "_earlier": "app genuine",
        "_faces": "_waiting app ctx genuine wrappers",
        "_places": "_environs _faces _measured _waiting app ctx wrappers",
        "cli": "_earlier _waiting genuine",
        "__main__": "cli",
        "_own_loop": "_places _waiting",
        "_wsgi": "_entry _environs _places _waiting app ctx wrappers",
        "_inject": "_commands _earlier _faces _own_loop _places _waiting _wsgi app blueprints cli"
        " ctx genuine wrappers",
        "migrate": "_places _watching _wsgi genuine",
        ".": "_inject _installation _places _waiting",
        "pytest_plugin": ". _announcement _places _watching _wsgi",
    },
}
#: Arrows between rooms that are drawn when a function runs, with the reason.
LATER: dict[str, dict[tuple[str, str], str]] = {
    "quart": {
        ("_connection", "_watching"): "A server's start brings it, an import need not.",
        ("_handling", "debug"): "The page for errors, and its template, are for development.",
        ("_serving", "_watching"): "As above.",
        ("_serving", "debug"): "The page for errors, and its template, are for development.",
        ("app", "testing"): "Tests alone use it, and it imports the application.",
        ("utils", "_serving"): "The reloader is for development.",
    },
    "quart_flask_patch": {
        ("_places", "_watching"): "What holds the loop is told of in debug mode, and in tests.",
        ("_requests", "wrappers"): "A form is parsed by Flask's face, whose class uses the parser.",
        ("app", "_wsgi"): "What serves asks for an application's class.",
        ("cli", "_watching"): "The page of endpoints, and its template, are for `--panel`.",
        ("cli", "migrate"): "Its commands are seldom given.",
        ("ctx", "_faces"): "The face of a `Quart` application is a Flask application.",
        ("migrate", "."): "A probe is a process of its own, where it says when Flask is replaced.",
        ("migrate", "_earlier"): "As above.",
        ("migrate", "cli"): "It loads the application as `run` does, when a command is given.",
    },
}
#: Arrows for types alone that lead up to a private room, or to a private module, with the reason.
#: For a type, anything may name what is public, and private rooms may be named from above.
TYPES_FROM_ABOVE: dict[str, dict[tuple[str, str], str]] = {
    "quart": {
        ("_connection", "_handling"): "A server's start is noted in the application's stages.",
        ("formparser", "wrappers"): "A form is parsed from a request's body.",
        ("globals", "_kind"): "A proxy's properties are those of a kind of connection.",
        ("wrappers", "_connection"): "A request is received by what the server's side has made.",
    },
    "quart_flask_patch": {
        ("_measured", "_watching"): "It stands alone, so that nothing is loaded if nothing is on.",
    },
}


def module_of(source: Source) -> str:
    """Return the dotted name of the module that *source* is."""
    top = ROOT / "core" if source.name.startswith("core/") else ROOT
    parts = source.path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_package(source: Source) -> bool:
    return source.path.name == "__init__.py"


@cache
def sources(package: str) -> list[Source]:
    return read_sources(PACKAGES[package].relative_to(ROOT).as_posix())


@cache
def modules(package: str) -> frozenset[str]:
    return frozenset(map(module_of, sources(package)))


def room_of(module: str) -> str:
    """Return the room of *module*: the name after the package's, or `.` for the package itself."""
    return module.split(".")[1] if "." in module else "."


def statements(tree: ast.AST, later: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that happen when the module is loaded, or those that happen *later*."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            if not later:
                yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        elif isinstance(child, FunctionDef | ast.Lambda):
            if later:
                yield from (
                    node
                    for node in ast.walk(child)
                    if isinstance(node, ast.Import | ast.ImportFrom)
                )
        else:
            yield from statements(child, later)


def names_imported(source: Source, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield absolute names: of ``from a import b`` first ``a``, then ``a.b``."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        package = module_of(source).split(".")
        package = package if is_package(source) else package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, node.module] if node.module else package)
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def of_the_package(source: Source, node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the modules of its own package that *source* imports in *node*."""
    known = modules(module_of(source).split(".")[0])
    base, *names = names_imported(source, node)
    # Of `from a import b`, the module `a.b` if it is one, else the module `a`.
    return {name for name in names if name in known} or {base} & known


def modules_imported(source: Source, later: bool) -> Iterator[str]:
    """Yield the modules of its own package that *source* imports."""
    for node in statements(source.tree, later):
        yield from of_the_package(source, node)


def arrows(package: str, later: bool) -> dict[tuple[str, str], list[str]]:
    """Return the arrows between rooms, with the modules that draw each."""
    drawn: dict[tuple[str, str], list[str]] = {}
    for source in sources(package):
        here = room_of(module_of(source))
        for module in modules_imported(source, later):
            if (there := room_of(module)) != here:
                drawn.setdefault((here, there), []).append(f"{module_of(source)} imports {module}")
    return drawn


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_has_a_line(package: str) -> None:
    assert {room_of(module) for module in modules(package)} == MAY_IMPORT[package].keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_line_names_earlier_lines_only(package: str) -> None:
    seen: set[str] = set()
    upward = []
    for room, allowed in MAY_IMPORT[package].items():
        upward += [f"{room} -> {other}" for other in allowed.split() if other not in seen]
        seen.add(room)
    assert upward == []


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_what_the_table_says(package: str) -> None:
    table = MAY_IMPORT[package]
    drawn = arrows(package, later=False)
    wrong = [
        line
        for (here, there), lines in drawn.items()
        if there not in table[here].split()
        for line in lines
    ]
    assert wrong == []
    unused = [
        f"{here} -> {there}"
        for here, allowed in table.items()
        for there in allowed.split()
        if (here, there) not in drawn
    ]
    assert unused == [], "The table allows what nobody does."


@pytest.mark.parametrize("package", PACKAGES)
def test_later_imports_between_rooms_are_listed_with_their_reason(package: str) -> None:
    drawn = {
        arrow: lines
        for arrow, lines in arrows(package, later=True).items()
        if arrow[1] not in MAY_IMPORT[package][arrow[0]].split()
    }
    assert drawn.keys() == LATER[package].keys(), drawn
    assert all(LATER[package].values())


def imports_for_types(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom))


@pytest.mark.parametrize("package", PACKAGES)
def test_types_from_rooms_above_are_listed_with_their_reason(package: str) -> None:
    floors = list(MAY_IMPORT[package])
    drawn: dict[tuple[str, str], list[str]] = {}
    for source in sources(package):
        here = room_of(module_of(source))
        for node in imports_for_types(source.tree):
            for module in of_the_package(source, node):
                there = room_of(module)
                is_private = any(part.startswith("_") for part in module.split(".")[1:])
                if is_private and floors.index(there) > floors.index(here):
                    drawn.setdefault((here, there), []).append(f"{source.name}: {module}")
    assert drawn.keys() == TYPES_FROM_ABOVE[package].keys(), drawn


def test_no_module_is_in_a_circle() -> None:
    for package in PACKAGES:
        graph = {
            module_of(source): set(modules_imported(source, later=False)) - {module_of(source)}
            for source in sources(package)
        }
        while leaves := {module for module, others in graph.items() if not others & graph.keys()}:
            for leaf in leaves:
                del graph[leaf]
        assert sorted(graph) == []


def test_machinery_has_no_public_module_in_a_room() -> None:
    """A folder with an underscore holds files without one, and its `__init__` is empty."""
    for package, folder in PACKAGES.items():
        for init in sorted(Path(folder).glob("_*/__init__.py")):
            assert init.read_text(encoding="utf-8") == "", f"{package}: {init.parent.name}"
