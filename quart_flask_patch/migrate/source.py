"""Check source code: what blocks the loop, and how ready each view is to become async."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .awaits import await_findings, is_async_call
from .code import CodeBase
from .entries import entries, Entry, scopes
from .findings import Finding, Readiness, View
from .reaching import all_called, reached, Site
from .scopes import Function

_APP_WIDE = ("Flask()", "Quart()")


def check_source(path: Path, own_loop: bool = False) -> tuple[list[Finding], list[View]]:
    """Check the source in *path*; with *own_loop*, async views have loops of their own."""
    code = CodeBase(path)
    found = entries(code)
    if own_loop:
        found = [replace(entry, place=entry.place or "own-loop") for entry in found]
    on_loop = [entry for entry in found if _runs_on_loop(entry, found)]
    sites = _sites(code, on_loop)
    findings = [_site_finding(site) for site in sites.values()]
    elsewhere = _lines_elsewhere(found)
    for function in code.functions.values():
        # A view with a loop of its own holds up nobody else.
        alone = own_loop or function.place in elsewhere
        awaits = await_findings(code, function)
        findings += [each for each in awaits if not (alone and each.code == "held-across-await")]
    findings += _waiting_hooks(code, [e for e in found if e.kind == "hook" and e not in on_loop])
    findings += _thread_locals(code, on_loop)
    findings += [_unread(place, why) for place, why in code.unread]
    known = {finding.place for finding in findings}
    findings += ruff_findings(code, known | elsewhere)
    return findings, [_view(code, entry) for entry in found if entry.kind == "view"]


def _lines_elsewhere(found: Sequence[Entry]) -> set[str]:
    """Return the lines of views that do not run on the server's loop."""
    return {
        f"{entry.function.module.shown}:{line}"
        for entry in found
        if entry.kind == "view" and not entry.is_on_loop
        for line in range(entry.function.node.lineno, (entry.function.node.end_lineno or 0) + 1)
    }


def _unread(place: str, why: str) -> Finding:
    return Finding("warning", "source", "unread", place, f"cannot be read: {why}", "mend it first")


def _runs_on_loop(entry: Entry, found: Sequence[Entry]) -> bool:
    """Whether *entry* is an async view, or a hook that runs before or after one."""
    if entry.kind == "view":
        return entry.is_on_loop
    # If an async view asks for a thread, its plain hooks run there.
    views = [each for each in found if each.is_on_loop and each.place != "thread"]
    if not entry.owner.endswith("Blueprint()") or "_app_" in _hook_names(entry.function):
        return bool(views)
    return any(_same_module(view, entry) for view in views)


def _hook_names(function: Function) -> str:
    return " ".join(map(ast.unparse, function.node.decorator_list))


def _same_module(one: Entry, other: Entry) -> bool:
    return one.function.module is other.function.module


# --- Blocking calls ------------------------------------------------------------------------------


def _sites(code: CodeBase, on_loop: Sequence[Entry]) -> dict[str, Site]:
    sites: dict[str, Site] = {}
    for entry in on_loop:
        for site in reached(code, entry.function):
            sites.setdefault(f"{site.place} {site.call}", site).ways += site.ways
    return sites


def _site_finding(site: Site) -> Finding:
    ways = list(dict.fromkeys(site.ways))
    more = f" and {len(ways) - 3} more" if len(ways) > 3 else ""
    what = (
        f"{site.call}(...) waits for {site.family.kind} on the event loop, in"
        f" {', '.join(ways[:3])}{more}"
    )
    return Finding(
        site.family.level, "source", "blocking-call", site.place, what, site.family.way_out
    )


def _waiting_hooks(code: CodeBase, hooks: Sequence[Entry]) -> Iterator[Finding]:
    """Report hooks that would block the event loop once a view is async."""
    for entry in hooks:
        sites = list(reached(code, entry.function))
        if sites:
            what = (
                f"the hook {entry.function.node.name} waits for {sites[0].family.kind}"
                f" ({sites[0].place}), on the event loop as soon as it is a hook of an async view"
            )
            way = sites[0].family.way_out
            yield Finding("note", "source", "hook-would-block", entry.function.place, what, way)


def _view(code: CodeBase, entry: Entry) -> View:
    function = entry.function
    sites = list(reached(code, function))
    waits = [f"{site.family.kind} ({site.place} {site.call})" for site in sites]
    forgotten = any(is_async_call(code, node, function) for node in _bare(function))
    ready: Readiness
    if entry.is_on_loop:
        ready = "blocks" if sites or forgotten else "async"
    elif function.is_async:
        ready = "async"
    elif any(not site.family.replaceable for site in sites):
        ready = "leave"
    else:
        ready = "replace" if sites else "ready"
    return View(function.place, function.name, function.is_async, ready, tuple(waits))


def _bare(function: Function) -> list[ast.expr]:
    return [node.value for node in function.own_nodes if isinstance(node, ast.Expr)]


# --- Thread-locals -------------------------------------------------------------------------------


def _thread_locals(code: CodeBase, on_loop: Sequence[Entry]) -> Iterator[Finding]:
    used = {
        name
        for entry in on_loop
        for function in all_called(code, entry.function)
        for name in locals_in(code, function)
    }
    for scope in scopes(code):
        for node in scope.own_nodes:
            if not (isinstance(node, ast.Call) and code.name_of(node.func, scope) == _LOCAL):
                continue
            place = f"{scope.module.shown}:{node.lineno}"
            shared = scope.module.name in used
            yield Finding(
                "error" if shared else "note",
                "source",
                "thread-local",
                place,
                "threading.local() is shared by all requests of the event loop"
                + ("" if shared else ", once an async view uses it"),
                "contextvars.ContextVar, or flask.g",
            )


_LOCAL = "threading.local"


def locals_in(code: CodeBase, function: Function) -> Iterator[str]:
    """Yield the names of modules whose thread-locals *function* uses."""
    for node in function.own_nodes:
        if not isinstance(node, ast.Name) or code.name_of(node, function) != f"{_LOCAL}()":
            continue
        if found := function.bound(node.id):
            scope, value = found
            yield value.rpartition(".")[0] if isinstance(value, str) else scope.module.name


# --- Findings of ruff ----------------------------------------------------------------------------


def ruff_findings(code: CodeBase, known: set[str]) -> list[Finding]:
    """Return what ruff's rules about async code find in lines without a finding of ours."""
    files = {
        str(function.module.path): function.module.shown
        for function in code.functions.values()
        if function.is_async
    }
    if not files:
        return []
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero"]
    rules = ["--select=ASYNC", "--ignore=ASYNC109,ASYNC240", "--output-format=json"]
    done = subprocess.run([*command, *rules, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        return [_unread("ruff", done.stderr.strip() or f"it ended with {done.returncode}")]
    found = []
    for item in json.loads(done.stdout or "[]"):
        place = f"{files[item['filename']]}:{item['location']['row']}"
        if place not in known:
            what = f"{item['message']} ({item['code']})"
            found.append(Finding("warning", "source", "ruff", place, what, item["url"] or ""))
    return found
