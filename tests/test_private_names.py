"""Private names of other packages: which are used, where, what for, and what happens without them.

A release of their owners may change any of them. So each stands in this table, which is held
against our code and against the owners' as it is installed. An upper bound in
`pyproject.toml` keeps later releases away from users.

What is found is a private attribute, name or argument of `getattr` that nothing of ours defines. A
name that both have, such as `_list`, is looked for by the table alone.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from test_project import read_sources, ROOT, Source

SOURCES = read_sources("core/quart", "quart_flask_patch")
OURS = ("quart", "quart_flask_patch")


class Use(NamedTuple):
    #: The module in which the owner has it.
    module: str
    files: str
    #: What it is for, and what happens without it.
    purpose: str


FOREIGN: dict[str, dict[str, Use]] = {
    "asgiref": {
        "_thread_sensitive": Use(
            "asgiref.sync",
            "quart_flask_patch/_waiting/asgiref.py",
            "Such functions run in the request's thread. Without: an error at the first call.",
        ),
    },
    "blinker": {
        "_utilities": Use(
            "blinker._utilities",
            "quart_flask_patch/genuine.py quart_flask_patch/_inject.py",
            "Two faces of an application are one sender. Without: ImportError.",
        ),
    },
    "flask": {
        "_AppCtxGlobals": Use(
            "flask.ctx",
            "core/quart/_flask.py core/quart/app.py core/quart/ctx.py core/quart/globals.py",
            "The class of `g`. Without: ImportError.",
        ),
        "_default_template_ctx_processor": Use(
            "flask.templating",
            "core/quart/_flask.py core/quart/_application/scaffold.py core/quart/templating.py",
            "What templates see; the core has its own of that name. Without: ImportError.",
        ),
        "_find_error_handler": Use(
            "flask.sansio.app",
            "core/quart/_flask.py",
            "Flask's order of error handlers. Without: an error of each error.",
        ),
        "_got_first_request": Use(
            "flask.sansio.app",
            "core/quart/_flask.py",
            "Set-up is refused late. Without: AttributeError at the first request.",
        ),
        "_max_content_length": Use(
            "flask.wrappers",
            "core/quart/wrappers/_body.py core/quart/wrappers/_limits.py"
            " core/quart/wrappers/request.py",
            "A request's own limit, seen on both faces. Without: that of one face alone counts.",
        ),
        "_max_form_memory_size": Use(
            "flask.wrappers", "core/quart/wrappers/_limits.py", "As `_max_content_length`."
        ),
        "_max_form_parts": Use(
            "flask.wrappers", "core/quart/wrappers/_limits.py", "As `_max_content_length`."
        ),
        "_loaded_app": Use(
            "flask.cli",
            "core/quart/cli/_groups.py",
            "A command has the application once. Without: it is loaded for each command.",
        ),
        "_prepare_response_obj": Use(
            "flask.json.provider",
            "quart_flask_patch/_defaults/json.py",
            "Whether somebody replaced it. Without: AttributeError at import.",
        ),
        "_sentinel": Use(
            "flask.sansio.scaffold", "core/quart/_flask.py", "A default. Without: ImportError."
        ),
        "_split_blueprint_path": Use(
            "flask.helpers", "core/quart/_flask.py", "Nested blueprints. Without: ImportError."
        ),
    },
    "Python": {
        "_current_frames": Use(
            "",
            "core/quart/_watching/chain.py core/quart/_watching/under_way.py"
            " core/quart/_watching/watchdog.py quart_flask_patch/_watching/watch.py",
            "Reports of what holds a thread, in sys. Without: an error in place of the report.",
        ),
        "_get_running_loop": Use(
            "asyncio.events",
            "core/quart/_loops/forks.py core/quart/_serving/server.py"
            " quart_flask_patch/_waiting/loop_thread.py"
            " quart_flask_patch/_waiting/runner.py",
            "Asks for a loop without an exception. Without: AttributeError at the first wait.",
        ),
        "_getframe": Use(
            "",
            "quart_flask_patch/_watching/holding.py quart_flask_patch/_watching/known_calls.py",
            "Where a connection was taken from its pool, or who blocks, in sys. Without: an error.",
        ),
        "_selector": Use(
            "asyncio.selector_events",
            "core/quart/_loops/forks.py",
            "A forked child closes its parent's loop. Without: it leaves the loop alone.",
        ),
        "_abc_impl": Use(
            "",
            "quart_flask_patch/_earlier.py quart_flask_patch/migrate/inspection.py",
            "It is of a class itself, and so not copied or reported. Without: nothing.",
        ),
    },
    "sqlalchemy": {
        "_max_overflow": Use(
            "sqlalchemy.pool.impl",
            "quart_flask_patch/migrate/inspection.py",
            "How many connections a pool has, for a report. Without: the report leaves it out.",
        ),
    },
    "werkzeug": {
        "_get_stream_for_parsing": Use(
            "werkzeug.wrappers.request",
            "quart_flask_patch/wrappers.py",
            "The short way of small forms. Without: AttributeError at the first form.",
        ),
        "_list": Use(
            "werkzeug.datastructures.headers",
            "core/quart/_formats/headers.py core/quart/_connection/outbound.py"
            " core/quart/wrappers/response.py quart_flask_patch/wrappers.py",
            "Headers without a copy. Without: AttributeError at the first request.",
        ),
        "_load_form_data": Use(
            "werkzeug.wrappers.request",
            "core/quart/wrappers/request.py quart_flask_patch/_requests/forms.py"
            " quart_flask_patch/wrappers.py",
            "Parses a form at its first use. Without: Flask's own parser does, by its own rules.",
        ),
        "_matcher": Use(
            "werkzeug.routing.map",
            "core/quart/routing.py",
            "Matches without an adapter. Without: AttributeError at the first request.",
        ),
        "_on_close": Use(
            "werkzeug.wrappers.response",
            "core/quart/_connection/outbound.py core/quart/_connection/pathsend.py"
            " core/quart/_handling/responses.py core/quart/wrappers/response.py"
            " quart_flask_patch/_wsgi/called.py quart_flask_patch/wrappers.py",
            "What to call at the end of a response. Without: it is not called.",
        ),
        "_parsed_content_type": Use(
            "werkzeug.sansio.request",
            "quart_flask_patch/wrappers.py",
            "A kept content type. Without: it is parsed again.",
        ),
        "_parse_urlencoded": Use(
            "werkzeug.formparser",
            "core/quart/formparser.py quart_flask_patch/wrappers.py",
            "Whether somebody replaced it. Without: AttributeError at import.",
        ),
        "_rules_by_endpoint": Use(
            "werkzeug.routing.map",
            "core/quart/routing.py",
            "Whether rules redirect to one another. Without: AttributeError at the first request.",
        ),
        "_status": Use(
            "werkzeug.sansio.response",
            "core/quart/wrappers/response.py quart_flask_patch/wrappers.py",
            "The short way of whole responses. Without: `status` is an AttributeError.",
        ),
        "_status_code": Use(
            "werkzeug.sansio.response",
            "core/quart/wrappers/response.py quart_flask_patch/wrappers.py",
            "As `_status`.",
        ),
    },
    "wrapt": {
        "_self_wrapper": Use(
            "",
            "quart_flask_patch/_earlier.py",
            "What an agent wraps. Without: the agent's function calls Flask's own.",
        ),
    },
}

ALL = {name: use for names in FOREIGN.values() for name, use in names.items()}


#: What is given a name as a string.
ASKING = ("getattr", "hasattr", "setattr", "delattr", "Stock")


def is_private(name: str) -> bool:
    return re.fullmatch(r"_[A-Za-z]\w*", name) is not None


def named(source: Source) -> Iterator[str]:
    """Yield the private names that *source* asks something of another for."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            if module.partition(".")[0] not in OURS:
                yield from (*module.split("."), *(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ASKING:
            yield from (
                value.value
                for argument in node.args
                for value in ast.walk(argument)
                if isinstance(value, ast.Constant) and isinstance(value.value, str)
            )


def defined(source: Source) -> Iterator[str]:
    """Yield the names that *source* defines: functions, classes, variables and own attributes."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias) and node.asname:
            yield node.asname
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            # Whatever it is an attribute of: it is set here.
            yield node.attr
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            yield from re.findall(r"\w+", ast.unparse(node.value))


OWN = {name for source in SOURCES for name in defined(source)}


def test_private_names_of_others_are_in_the_table() -> None:
    used = {
        f"{source.name}: {name}"
        for source in SOURCES
        for name in named(source)
        if is_private(name) and name not in OWN and name not in ALL
    }
    assert sorted(used) == [], "Name the owner, the purpose, and what happens without it, above."


def test_each_is_used_where_the_table_says_and_nowhere_else() -> None:
    found = defaultdict(set)
    for source in SOURCES:
        for name in re.findall(r"\b_[A-Za-z]\w*", source.text):
            if name in ALL:
                found[name].add(source.name)
    wrong = {
        name: sorted(found[name] ^ set(use.files.split()))
        for name, use in ALL.items()
        if found[name] != set(use.files.split())
    }
    assert wrong == {}


@pytest.mark.parametrize("name", [name for name, use in ALL.items() if use.module])
def test_the_owner_has_it(name: str) -> None:
    module = pytest.importorskip(ALL[name].module)
    assert (
        name in Path(module.__file__ or "").read_text(encoding="utf-8") or name in ALL[name].module
    )


@pytest.mark.parametrize("owner", sorted(FOREIGN.keys() - {"Python", "sqlalchemy", "wrapt"}))
def test_an_upper_bound_keeps_the_next_release_away(owner: str) -> None:
    users = {
        file.partition("/")[0] for use in FOREIGN[owner].values() for file in use.files.split()
    }
    for user in users:
        project = ROOT / ("core" if user == "core" else ".") / "pyproject.toml"
        text = project.read_text(encoding="utf-8")
        assert re.search(rf'"{owner}>=[\d.]+,<[\d.]+"', text), f"{project.name} of {user}: {owner}"
