"""Add the imports that a rewritten module needs, where a reader and isort expect them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst
from libcst.helpers import get_full_name_for_node

_BLANK = cst.EmptyLine(indent=False)
#: Modules beside whose imports new ones are put.
_KIN = ("flask", "quart", "quart_flask_patch")


@dataclass(slots=True)
class _Import:
    """An import statement at the top of a module; *place* is its index in the body."""

    place: int
    line: cst.SimpleStatementLine
    node: cst.Import | cst.ImportFrom

    @property
    def module(self) -> str:
        if isinstance(self.node, cst.Import):
            return get_full_name_for_node(self.node.names[0].name) or ""
        name = get_full_name_for_node(self.node.module) if self.node.module else ""
        return "." * len(self.node.relative) + (name or "")

    @property
    def is_from(self) -> bool:
        return isinstance(self.node, cst.ImportFrom)

    @property
    def section(self) -> str:
        return _section(self.module)


def _section(module: str) -> str:
    if module == "__future__":
        return "future"
    if module.startswith("."):
        return "local"
    return "standard" if module.partition(".")[0] in sys.stdlib_module_names else "other"


def add_imports(module: cst.Module, needed: Sequence[tuple[str, str]]) -> cst.Module:
    """Add `from source import name`, or `import source` if the name is empty, each once."""
    for source, name in needed:
        module = _with_import(module, source, name)
    return module


def _with_import(module: cst.Module, source: str, name: str) -> cst.Module:
    found = _imports(module)
    for each in found:
        if each.module == source and (joined := _joined(each, name)):
            return _put(module, each.place, joined)
    text = f"from {source} import {name}" if name else f"import {source}"
    line = cst.ensure_type(cst.parse_statement(text), cst.SimpleStatementLine)
    return _inserted(module, found, source, bool(name), line)


def _imports(module: cst.Module) -> list[_Import]:
    return [
        _Import(place, line, line.body[0])
        for place, line in enumerate(module.body)
        if isinstance(line, cst.SimpleStatementLine)
        and len(line.body) == 1
        and isinstance(line.body[0], cst.Import | cst.ImportFrom)
    ]


def _put(module: cst.Module, place: int, line: cst.SimpleStatementLine) -> cst.Module:
    return module.with_changes(body=[*module.body[:place], line, *module.body[place + 1 :]])


def _joined(each: _Import, name: str) -> cst.SimpleStatementLine | None:
    """Return the statement *each* with *name* added; None if that is impossible."""
    if isinstance(each.node, cst.Import):
        is_bare = len(each.node.names) == 1 and each.node.names[0].asname is None
        return each.line if is_bare and not name else None
    if not name or isinstance(each.node.names, cst.ImportStar):
        return None
    names = list(each.node.names)
    bare = [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in names]
    shown = [cst.Module([]).code_for_node(alias) for alias in bare]
    if name in shown:
        return each.line
    original, _, other = name.partition(" as ")
    asname = cst.AsName(cst.Name(other)) if other else None
    alias = cst.ImportAlias(cst.Name(original), asname)
    bigger = (n for n, text in enumerate(shown) if text.casefold() > name.casefold())
    place = next(bigger, len(names))
    if place == len(names):
        last = names[-1]
        comma = last.comma
        if isinstance(comma, cst.MaybeSentinel):
            names[-1] = last.with_changes(comma=_after(names))
        else:
            alias = alias.with_changes(comma=comma)
            names[-1] = last.with_changes(comma=_after(names))
    else:
        alias = alias.with_changes(comma=_after(names))
    names.insert(place, alias)
    node = each.node.with_changes(names=names)
    return each.line.with_changes(body=[node])


def _after(names: Sequence[cst.ImportAlias]) -> cst.Comma:
    """Return the comma between these names, followed by a blank or by a new line."""
    first = names[0].comma
    if isinstance(first, cst.Comma) and len(names) > 1:
        return first
    return cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _inserted(
    module: cst.Module,
    found: Sequence[_Import],
    source: str,
    is_from: bool,
    line: cst.SimpleStatementLine,
) -> cst.Module:
    block = _block(found, _section(source))
    if not block:
        return _in_block_of_its_own(module, found, _section(source), line)
    smaller = [
        each
        for each in block
        if (each.is_from, each.module.casefold()) < (is_from, source.casefold())
    ]
    body = list(module.body)
    first = block[0].line
    if smaller or any(each.comment for each in first.leading_lines):
        body.insert((smaller or block)[-1 if smaller else 0].place + 1, line)
    else:
        body[block[0].place] = first.with_changes(leading_lines=[])
        body.insert(block[0].place, line.with_changes(leading_lines=first.leading_lines))
    return module.with_changes(body=body)


def _block(found: Sequence[_Import], section: str) -> list[_Import]:
    """Return a block of imports of *section*, preferably the one with Flask's."""
    blocks: list[list[_Import]] = []
    for each in found:
        together = (
            blocks
            and blocks[-1][-1].place == each.place - 1
            and not each.line.leading_lines
            and blocks[-1][-1].section == each.section
        )
        if together:
            blocks[-1].append(each)
        else:
            blocks.append([each])
    blocks = [block for block in blocks if block[0].section == section]
    kin = [block for block in blocks if any(_is_kin(each.module) for each in block)]
    rather = [block for block in kin if any(each.is_from for each in block)]
    return (rather or kin or blocks or [[]])[0]


def _is_kin(module: str) -> bool:
    return module.partition(".")[0] in _KIN


def _is_import(node: object) -> bool:
    return isinstance(node, cst.SimpleStatementLine) and isinstance(
        node.body[0], cst.Import | cst.ImportFrom
    )


def _in_block_of_its_own(
    module: cst.Module, found: Sequence[_Import], section: str, line: cst.SimpleStatementLine
) -> cst.Module:
    order = ("future", "standard", "other", "local")
    before = [each for each in found if order.index(each.section) <= order.index(section)]
    body = list(module.body)
    top = 1 if module.get_docstring() is not None else 0
    place = before[-1].place + 1 if before else top
    if place:
        line = line.with_changes(leading_lines=[_BLANK])
    body.insert(place, line)
    following = place + 1
    if following < len(body) and not getattr(body[following], "leading_lines", ()):
        count = 1 if _is_import(body[following]) else 2
        after = body[following]
        body[following] = after.with_changes(leading_lines=[_BLANK] * count)
    return module.with_changes(body=body)
