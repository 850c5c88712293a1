"""Name positions in a file in one way for `ast`, which reads, and LibCST, which writes."""

from __future__ import annotations

import ast
import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..scopes import Module

#: Line and column of the start and of the end; columns count characters.
Spot = tuple[int, int, int, int]
#: Line and column of a statement's start.
Start = tuple[int, int]

_LINE_ENDS = re.compile("\r\n|\r|\n")


@dataclass(slots=True)
class Edits:
    """The changes in one module, by the spots of the nodes."""

    #: Calls and attributes to await.
    awaited: set[Spot] = field(default_factory=set)
    #: Calls to make through this name: `f(x)` becomes `run_sync(f)(x)`.
    through: dict[Spot, str] = field(default_factory=dict)
    #: Calls to pass to this function: `f(x)` becomes `to_thread(f, x)`.
    given: dict[Spot, str] = field(default_factory=dict)
    #: Statements to wrap in an `async with`, with what that enters.
    within: dict[Start, str] = field(default_factory=dict)
    #: Names to replace.
    renamed: dict[Spot, str] = field(default_factory=dict)
    #: Calls of `wait` to replace by their argument.
    unwrapped: set[Spot] = field(default_factory=set)
    #: Functions, `with` and `for` to make async.
    asynced: set[Start] = field(default_factory=set)
    #: Decorators to add after those that register the function, or to a class's `decorators`.
    decorated: dict[Start, str] = field(default_factory=dict)
    #: Decorators of the code base that register a function, as `route` does.
    registering: set[Spot] = field(default_factory=set)
    #: Decorators to add directly above the function.
    innermost: dict[Start, str] = field(default_factory=dict)
    undecorated: set[Spot] = field(default_factory=set)
    #: Lines to put above a statement.
    comments: dict[Start, list[str]] = field(default_factory=dict)
    #: Statements to remove.
    removed: set[Start] = field(default_factory=set)
    #: Imports to change, with the new module and names.
    moved: dict[Start, dict[str, str]] = field(default_factory=dict)
    #: Keywords of calls to rename.
    keywords: dict[Spot, dict[str, str]] = field(default_factory=dict)
    #: Imports to add: `from module import name`, or `import module` if the name is empty.
    needed: set[tuple[str, str]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__ if name != "registering")


class Text:
    """The bytes of a file, with the columns of its lines."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        self.bom = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
        self.bytes = raw[len(self.bom) :]
        self.encoding = _encoding(self.bytes, bool(self.bom))
        self.text = self.bytes.decode(self.encoding)
        self.lines = _LINE_ENDS.split(self.text)

    def column(self, line: int, offset: int) -> int:
        """Return the column at *offset*, which counts UTF-8 bytes, as `ast` does."""
        return len(self.lines[line - 1].encode()[:offset].decode())

    def spot(self, node: ast.expr) -> Spot:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            *self.start(node),
            node.end_lineno,
            self.column(node.end_lineno, node.end_col_offset),
        )

    def segment(self, node: ast.expr) -> str:
        """Return the source of *node*; empty if it is on several lines."""
        line, start, last, end = self.spot(node)
        return self.lines[line - 1][start:end] if line == last else ""

    def start(self, node: ast.stmt | ast.expr) -> Start:
        return node.lineno, self.column(node.lineno, node.col_offset)


def _encoding(source: bytes, has_bom: bool) -> str:
    import io
    import tokenize

    return "utf-8" if has_bom else tokenize.detect_encoding(io.BytesIO(source).readline)[0]


class Changes:
    """The edits of a code base, by module."""

    def __init__(self) -> None:
        self.edits: dict[str, Edits] = {}
        self._texts: dict[str, Text] = {}
        self.modules: dict[str, Module] = {}

    def of(self, module: Module) -> Edits:
        self.modules[str(module.path)] = module
        return self.edits.setdefault(str(module.path), Edits())

    def text(self, module: Module) -> Text:
        if (path := str(module.path)) not in self._texts:
            self._texts[path] = Text(module.path)
        return self._texts[path]

    def spot(self, module: Module, node: ast.expr) -> Spot:
        return self.text(module).spot(node)

    def start(self, module: Module, node: ast.stmt | ast.expr) -> Start:
        return self.text(module).start(node)
