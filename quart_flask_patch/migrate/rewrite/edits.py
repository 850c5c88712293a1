"""Apply edits with LibCST, which keeps everything else as it was, to the blank."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from ..entries import ROUTES
from .imports import add_imports
from .spots import Edits, Spot, Start, Text


def edited(text: Text, edits: Edits) -> bytes:
    """Return the file with *edits* in it."""
    module = cst.parse_module(text.bytes)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    changed = wrapper.visit(_Editor(edits))
    changed = add_imports(changed, sorted(edits.needed))
    return text.bom + changed.code.encode(changed.encoding)


class _Editor(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, edits: Edits) -> None:
        super().__init__()
        self.edits = edits

    def _range(self, node: cst.CSTNode) -> CodeRange:
        return self.get_metadata(PositionProvider, node)

    def _spot(self, node: cst.CSTNode) -> Spot:
        found = self._range(node)
        return found.start.line, found.start.column, found.end.line, found.end.column

    def _start(self, node: cst.CSTNode) -> Start:
        found = self._range(node)
        return found.start.line, found.start.column

    # --- Expressions
    # ---------------------------------------------------------------------------------

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        spot, node = self._spot(original_node), updated_node
        if spot in self.edits.unwrapped:
            return _moved_brackets(updated_node, cst.Await(node.args[0].value))
        if words := self.edits.keywords.get(spot):
            node = node.with_changes(args=[_with_keyword(arg, words) for arg in node.args])
        if through := self.edits.through.get(spot):
            wrapped = cst.Call(_expression(through), [cst.Arg(node.func)])
            node = node.with_changes(func=wrapped)
        if to := self.edits.given.get(spot):
            first = cst.Arg(node.func, comma=_COMMA if node.args else cst.MaybeSentinel.DEFAULT)
            node = node.with_changes(func=_expression(to), args=[first, *node.args])
        return self._awaited(original_node, node)

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        return self._awaited(original_node, self._renamed(original_node, updated_node))

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        return self._renamed(original_node, updated_node)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        return self._renamed(original_node, updated_node)

    def _renamed(self, original: cst.CSTNode, node: cst.BaseExpression) -> cst.BaseExpression:
        if (new := self.edits.renamed.get(self._spot(original))) is None:
            return node
        return _expression(new).with_changes(lpar=node.lpar, rpar=node.rpar)

    def _awaited(self, original: cst.CSTNode, node: cst.BaseExpression) -> cst.BaseExpression:
        node = _with_bracketed_await(node)
        if self._spot(original) not in self.edits.awaited:
            return node
        awaited = cst.Await(node.with_changes(lpar=[], rpar=[]))
        return _moved_brackets(node, awaited)

    def leave_Subscript(
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        return _with_bracketed_await(updated_node)

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:
        return _with_bracketed_await(updated_node)

    def on_leave(
        self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT
    ) -> cst.CSTNodeT | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNodeT]:
        left = super().on_leave(original_node, updated_node)
        if not self.edits.comments:
            return left
        if isinstance(original_node, cst.BaseStatement | cst.SimpleStatementLine):
            lines = self.edits.comments.get(self._start(original_node))
            if lines and isinstance(left, cst.CSTNode):
                return _commented(left, lines)  # type: ignore[return-value]  # of the same class
        return left

    # --- Statements
    # ----------------------------------------------------------------------------------

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        start, node = self._start(original_node), updated_node
        if start in self.edits.asynced:
            node = node.with_changes(asynchronous=cst.Asynchronous())
        if decorator := self.edits.decorated.get(start):
            made = cst.Decorator(_expression(decorator))
            place = self._beneath_routes(original_node.decorators)
            decorators = [*node.decorators[:place], made, *node.decorators[place:]]
            node = node.with_changes(decorators=decorators)
        if decorator := self.edits.innermost.get(start):
            made = cst.Decorator(_expression(decorator))
            node = node.with_changes(decorators=[*node.decorators, made])
        gone = [
            number
            for number, each in enumerate(original_node.decorators)
            if self._spot(each.decorator) in self.edits.undecorated
        ]
        if gone:
            kept = [each for number, each in enumerate(node.decorators) if number not in gone]
            node = node.with_changes(decorators=kept)
        return node

    def _beneath_routes(self, decorators: Sequence[cst.Decorator]) -> int:
        """Return the position after the decorators that register, which are outermost."""
        place = 0
        for number, each in enumerate(decorators, 1):
            called = each.decorator.func if isinstance(each.decorator, cst.Call) else each.decorator
            last = called.attr.value if isinstance(called, cst.Attribute) else ""
            if last in ROUTES or self._spot(each.decorator) in self.edits.registering:
                place = number
        return place

    def leave_With(self, original_node: cst.With, updated_node: cst.With) -> cst.With:
        start = self._start(original_node)
        if start in self.edits.asynced:
            updated_node = updated_node.with_changes(asynchronous=cst.Asynchronous())
        return updated_node

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        start = self._start(original_node)
        if decorator := self.edits.decorated.get(start):
            updated_node = _with_class_decorator(updated_node, decorator)
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.SimpleStatementLine | cst.RemovalSentinel:
        start = self._start(original_node)
        if start in self.edits.removed:
            return cst.RemoveFromParent()
        if entered := self.edits.within.get(start):
            body = cst.IndentedBlock([updated_node.with_changes(leading_lines=[])])
            around = cst.ensure_type(cst.parse_statement(f"async with {entered}: pass"), cst.With)
            return around.with_changes(body=body, leading_lines=updated_node.leading_lines)
        return updated_node

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom:
        names = self.edits.moved.get(self._start(original_node))
        if names is None:
            return updated_node
        module = get_full_name_for_node(updated_node.module) if updated_node.module else ""
        made = _expression(names.get(f"{module} ", module or ""))
        node = updated_node.with_changes(module=made)
        if isinstance(node.names, cst.ImportStar):
            return node
        aliases = [
            alias.with_changes(name=cst.Name(names.get(alias.name.value, alias.name.value)))
            if isinstance(alias.name, cst.Name)
            else alias
            for alias in node.names
        ]
        return node.with_changes(names=aliases)

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        names = self.edits.moved.get(self._start(original_node))
        if names is None:
            return updated_node
        aliases = []
        for alias in updated_node.names:
            name = get_full_name_for_node(alias.name) or ""
            aliases.append(alias.with_changes(name=_expression(names.get(name, name))))
        return updated_node.with_changes(names=aliases)

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        start = self._start(original_node)
        if start in self.edits.asynced:
            updated_node = updated_node.with_changes(asynchronous=cst.Asynchronous())
        return updated_node


def _expression(text: str) -> cst.BaseExpression:
    """Parse *text*, which is a name for the most part: LibCST takes long for each."""
    if text.isidentifier():
        return cst.Name(text)
    return cst.parse_expression(text)


def _with_class_decorator(node: cst.ClassDef, decorator: str) -> cst.ClassDef:
    """Append *decorator* to a class-based view's list `decorators`; the last is outermost."""
    body = cst.ensure_type(node.body, cst.IndentedBlock)
    made = cst.Element(_expression(decorator))
    statements = list(body.body)
    for number, statement in enumerate(statements):
        match statement:
            case cst.SimpleStatementLine(
                body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name("decorators"))]) as old]
            ) if isinstance(old.value, cst.List | cst.Tuple):
                elements = [*old.value.elements]
                if elements:
                    elements[-1] = elements[-1].with_changes(comma=_COMMA)
                value = old.value.with_changes(elements=[*elements, made])
                statements[number] = statement.with_changes(body=[old.with_changes(value=value)])
                return node.with_changes(body=body.with_changes(body=statements))
    line = cst.ensure_type(
        cst.parse_statement(f"decorators = [{decorator}]"), cst.SimpleStatementLine
    )
    place = 1 if node.get_docstring() is not None else 0
    if place:
        line = line.with_changes(leading_lines=[_BLANK])
    if place < len(statements) and isinstance(statements[place], cst.FunctionDef | cst.ClassDef):
        after = cst.ensure_type(statements[place], cst.FunctionDef)
        if not any(each.comment is None for each in after.leading_lines[:1]):
            statements[place] = after.with_changes(leading_lines=[_BLANK, *after.leading_lines])
    return node.with_changes(
        body=body.with_changes(body=[*statements[:place], line, *statements[place:]])
    )


_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
_BLANK = cst.EmptyLine(indent=False)


def _commented(node: cst.CSTNode, lines: Sequence[str]) -> cst.CSTNode:
    """Put *lines* above a statement, except those that are there."""
    there = [each.comment.value for each in getattr(node, "leading_lines", ()) if each.comment]
    new = [cst.EmptyLine(comment=cst.Comment(line)) for line in lines if line not in there]
    return node.with_changes(leading_lines=[*getattr(node, "leading_lines", ()), *new])


def _with_keyword(arg: cst.Arg, words: dict[str, str]) -> cst.Arg:
    if arg.keyword is None or arg.keyword.value not in words:
        return arg
    return arg.with_changes(keyword=cst.Name(words[arg.keyword.value]))


def _moved_brackets(old: cst.BaseExpression, new: cst.BaseExpression) -> cst.BaseExpression:
    if old.lpar:
        return new.with_changes(lpar=old.lpar, rpar=old.rpar)
    return new


def _with_bracketed_await(node: cst.BaseExpression) -> cst.BaseExpression:
    """Put brackets around an `await` that is followed by an attribute, a call or an index."""
    if isinstance(node, cst.Attribute | cst.Subscript) and _is_bare_await(node.value):
        return node.with_changes(value=_in_brackets(node.value))
    if isinstance(node, cst.Call) and _is_bare_await(node.func):
        return node.with_changes(func=_in_brackets(node.func))
    if isinstance(node, cst.Await) and _is_bare_await(node.expression):
        return node.with_changes(expression=_in_brackets(node.expression))
    return node


def _is_bare_await(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Await) and not node.lpar


def _in_brackets(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
