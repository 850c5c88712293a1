"""``--prefer native``: use httpx and asyncio in place of a thread of the request."""

from __future__ import annotations

import ast
import re

from ..code import CodeBase
from ..scopes import Function
from .names import Names
from .reach import Use
from .spots import Changes

_HTTP = re.compile(r"(?:requests|httpx)\.(get|post|put|patch|delete|head|options)")
#: Arguments that requests and httpx take in the same way.
_KEYWORDS = {"params", "headers", "json", "timeout", "cookies"}
#: Attributes of requests' response that httpx's has not, or under another name.
_OTHERWISE = {
    *("ok", "reason", "raw", "iter_content", "iter_lines", "apparent_encoding", "exceptions"),
    *("RequestException", "HTTPError", "ConnectionError", "Timeout", "JSONDecodeError"),
}


def prefer_native(
    code: CodeBase, names: Names, changes: Changes, function: Function, use: Use
) -> bool:
    """Await *use* without `run_sync` if that means the same; return whether it was changed."""
    module = function.module
    edits, spot = changes.of(module), changes.spot(module, use.call)
    if use.is_helper:
        return False
    if _says_the_same(function, use):
        verb = use.name.rpartition(".")[2]
        start = changes.start(module, use.place.statement)
        if start not in edits.within and names.is_free(module, "httpx"):
            name = names.name(module, "httpx", "")
            timed = any(word.arg == "timeout" for word in use.call.keywords)
            # As requests does by default: it follows redirects and has no timeout.
            options = "follow_redirects=True" if use.name.startswith("requests") else ""
            if options and not timed:
                options += ", timeout=None"
            edits.within[start] = f"{name}.AsyncClient({options}) as client"
            edits.renamed[changes.spot(module, use.call.func)] = f"client.{verb}"
            return True
    if names.is_free(module, "asyncio"):
        edits.given[spot] = f"{names.name(module, 'asyncio', '')}.to_thread"
        return True
    return False


def _says_the_same(function: Function, use: Use) -> bool:
    simple = ast.Assign | ast.AnnAssign | ast.Return | ast.Expr
    is_known = (
        _HTTP.fullmatch(use.name)
        and isinstance(use.place.statement, simple)
        and len(use.call.args) == 1
        and all(word.arg in _KEYWORDS for word in use.call.keywords)
    )
    used = {node.attr for node in function.own_nodes if isinstance(node, ast.Attribute)}
    bound = {node.id for node in function.own_nodes if isinstance(node, ast.Name)}
    return bool(is_known) and not used & _OTHERWISE and "client" not in bound
