"""Find wrong uses of `await`: one that is missing, one too many, and locks held across one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .blocking import HELD, OWN_LOOP, SCOPED
from .code import CodeBase
from .findings import Finding, Level
from .scopes import Function, own_nodes, without_call

#: Async functions that code often forgets to await.
_ASYNC = {
    "asyncio.sleep",
    "quart.render_template",
    "quart.render_template_string",
    "quart.make_response",
    "quart.send_file",
    "quart.send_from_directory",
    "quart.request.get_json",
    "quart.request.get_data",
    "quart.websocket.send",
    "quart.websocket.receive",
    "quart.websocket.accept",
}
#: Functions of Flask that code written for Quart awaits.
_PLAIN = {
    "flask.render_template",
    "flask.render_template_string",
    "flask.make_response",
    "flask.send_file",
    "flask.send_from_directory",
    *(f"flask.request.{name}" for name in ("form", "files", "json", "data", "values", "body")),
    *(f"flask.request.{name}()" for name in ("get_json", "get_data")),
}

#: The attributes that a coroutine has.
_OF_COROUTINES = {"__await__", "close", "send", "throw"}


def await_findings(code: CodeBase, function: Function) -> Iterator[Finding]:
    yield from _missing(code, function)
    if function.is_async:
        yield from _superfluous(code, function)
        yield from _held(code, function)
        yield from _scoped(code, function)


def _finding(
    level: Level, code: str, function: Function, node: ast.AST, what: str, way: str
) -> Finding:
    place = f"{function.module.shown}:{getattr(node, 'lineno', 1)}"
    return Finding(level, "source", code, place, f"{function.node.name}: {what}", way)


def is_async_call(code: CodeBase, node: ast.AST | None, function: Function) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = code.name_of(node.func, function)
    called = code.functions.get(name)
    if called is not None:
        is_generator = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in called.own_nodes)
        # A decorator may return something else than a coroutine function.
        return called.is_async and not is_generator and not called.node.decorator_list
    return name in _ASYNC


def _missing(code: CodeBase, function: Function) -> Iterator[Finding]:
    for node in function.own_nodes:
        for call in _used_as_a_value(node):
            if is_async_call(code, call, function):
                name = ast.unparse(call.func)  # type: ignore[attr-defined]  # it is a call
                what = f"{name}(...) is not awaited, so nothing of it runs"
                way = (
                    f"await {name}(...)"
                    if function.is_async
                    else f"quart_flask_patch.wait({name}(...)), or make the function async def"
                )
                yield _finding("error", "missing-await", function, call, what, way)
    yield from _never_awaited(code, function)


def _used_as_a_value(node: ast.AST) -> list[ast.expr]:
    """Return the parts of *node* that cannot be meant as coroutines."""
    if isinstance(node, ast.Attribute):
        return [] if node.attr in _OF_COROUTINES else [node.value]
    if isinstance(node, ast.Expr | ast.Subscript | ast.FormattedValue):
        return [node.value]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    if isinstance(node, ast.For | ast.comprehension):
        return [node.iter]
    return []


def _never_awaited(code: CodeBase, function: Function) -> Iterator[Finding]:
    """Find `found = load()` where only `found.name` or `found["name"]` is used later."""
    nodes = function.own_nodes
    values = {id(n.value) for n in nodes if isinstance(n, ast.Attribute | ast.Subscript)}
    for node in nodes:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        if not is_async_call(code, node.value, function):
            continue
        name = node.targets[0].id
        uses = [
            n
            for n in nodes
            if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        ]
        if uses and all(id(use) in values for use in uses):
            what = f"{name} is a coroutine that nothing awaits, and is used as its result"
            way = f"{name} = await {ast.unparse(node.value)}"
            yield _finding("error", "missing-await", function, node, what, way)


def _superfluous(code: CodeBase, function: Function) -> Iterator[Finding]:
    for node in function.own_nodes:
        if isinstance(node, ast.Await):
            value = node.value
            name = code.name_of(without_call(value), function)
            name = f"{name}()" if name.startswith("flask.request.get_") else name
            if name in _PLAIN:
                what = f"{ast.unparse(node.value)} of flask is not awaitable"
                way = "leave await out, or take the name from quart"
                yield _finding("error", "await-of-flask", function, node, what, way)


def _awaits(nodes: list[ast.AST]) -> list[int]:
    kinds = (ast.Await, ast.AsyncFor, ast.AsyncWith)
    return [node.lineno for node in nodes if isinstance(node, kinds)]


def _held(code: CodeBase, function: Function) -> Iterator[Finding]:
    for node in function.own_nodes:
        if not isinstance(node, ast.With):
            continue
        body = [inner for statement in node.body for inner in own_nodes(statement)]
        awaits = _awaits(body)
        for item in node.items:
            if awaits and HELD.fullmatch(code.name_of(item.context_expr, function)):
                what = (
                    f"`with {ast.unparse(item.context_expr)}` is held across the await in line"
                    f" {awaits[0]}: others of this loop wait for it, or for its connection"
                )
                way = f"await before or after it, take the async one of its kind, or {OWN_LOOP}"
                yield _finding("warning", "held-across-await", function, node, what, way)


def _scoped(code: CodeBase, function: Function) -> Iterator[Finding]:
    nodes = function.own_nodes
    used = [
        node.lineno
        for node in nodes
        if isinstance(node, ast.Call) and SCOPED.fullmatch(code.name_of(node.func, function))
    ]
    between = [line for line in _awaits(nodes) if used and min(used) <= line < max(used)]
    if between:
        what = (
            f"db.session, used in lines {min(used)} and {max(used)}, keeps its connection and its"
            f" transaction across the await in line {between[0]}"
        )
        way = f"db.session.commit() before the await, or {OWN_LOOP}"
        place = ast.Pass(lineno=min(used), col_offset=0)
        yield _finding("warning", "held-across-await", function, place, what, way)
