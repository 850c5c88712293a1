"""Every name of Quart is here, is of the same colour, and can be called in the same way.

`data/quart-api.json` is the API of Quart 0.23.1, and what only 0.22.0 had, in a compact form:
``{module: {name: kind or signature or {member: signature}}}``. In a signature the default values
are all ``0``; ``()`` is the signature of the class itself.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any

import flask.sansio.blueprints
import pytest
import werkzeug.routing
from blinker import NamedSignal
from werkzeug.local import LocalProxy

from quart import Quart

API = json.loads((Path(__file__).parent.parent / "data" / "quart-api.json").read_text())
MODULES: dict[str, dict[str, Any]] = API["modules"]

#: Imports that upstream makes in a module for its own use. Whoever wants these names finds them at
#: their home, which has them.
IMPORTED_ELSEWHERE: dict[str, str] = {
    "quart.app": """
        ASGIReceiveCallable ASGISendCallable Aborter AfterServingCallable
        AfterWebsocketCallable AppGroup AppOrBlueprintKey Authorization BadRequestKeyError
        BaseRequestWebsocket BeforeServingCallable BeforeWebsocketCallable FilePath Flask
        HTTPException Headers InternalServerError MustReloadError QuartCliRunner
        QuartClient RequestContext RoutingException Scope ShellContextProcessorCallable
        TeardownCallable TemplateFilterCallable TemplateGlobalCallable
        TemplateTestCallable TestApp WebsocketCallable WebsocketContext WerkzeugResponse
        WhileServingCallable _cv_request _cv_websocket appcontext_tearing_down
        cancel_tasks file_path_to_path get_debug_flag got_background_exception
        got_request_exception got_serving_exception got_websocket_exception
        has_request_context has_websocket_context make_test_body_with_headers
        make_test_headers_path_and_query_string make_test_scope no_op_push observe_changes
        request_ctx request_finished request_started request_tearing_down restart
        run_reloader send_from_directory sentinel setupmethod websocket_ctx
        websocket_finished websocket_started websocket_tearing_down
    """,
    "quart.asgi": """
        ASGIReceiveCallable ASGISendCallable ASGISendEvent Request Response Websocket
        WerkzeugResponse cancel_tasks raise_task_exceptions traceback_response
        websocket_received websocket_sent
    """,
    "quart.blueprints": """
        AfterServingCallable AfterWebsocketCallable App AppGroup AppOrBlueprintKey
        BeforeServingCallable BeforeWebsocketCallable FilePath SansioBlueprint
        TeardownCallable WebsocketCallable WhileServingCallable current_app
        send_from_directory
    """,
    "quart.ctx": """
        AfterRequestCallable AfterWebsocketCallable BaseRequestWebsocket MapAdapter
        Request SessionMixin Websocket _cv_request _cv_websocket appcontext_popped
        appcontext_pushed
    """,
    "quart.helpers": """
        _cv_request request_ctx
    """,
    "quart.templating": """
        request_ctx
    """,
    "quart.testing.client": """
        _cv_request
    """,
}

#: Members left out on purpose, with the reason.
LEFT_OUT: dict[str, str] = {
    "quart.ctx.RequestContext.auto_pop": "the one context of 0.23 has no such method either",
    "quart.ctx.WebsocketContext.auto_pop": "the one context of 0.23 has no such method either",
}

#: Called in another way on purpose, with the reason.
CALLED_OTHERWISE: dict[str, str] = {
    "quart.ctx.RequestContext.()": "an alias of 0.23's AppContext; app.request_context makes one",
    "quart.ctx.WebsocketContext.()": "an alias of 0.23's AppContext; app.websocket_context does",
}

#: Of another colour on purpose, with the reason.
COLOURED_OTHERWISE: dict[str, str] = {
    "quart.utils.run_sync_iterable": "an async generator function instead of one that returns it",
}

KINDS: dict[str, Any] = {
    "class": inspect.isclass,
    "module": lambda value: isinstance(value, ModuleType),
    "signal": lambda value: isinstance(value, NamedSignal),
    "proxy": lambda value: isinstance(value, LocalProxy),
    "contextvar": lambda value: isinstance(value, ContextVar),
}


def names() -> Iterator[tuple[str, str, Any]]:
    for module, members in MODULES.items():
        for name, value in members.items():
            if name not in IMPORTED_ELSEWHERE.get(module, "").split():
                yield module, name, value


def members() -> Iterator[tuple[str, Any, str]]:
    """Each public class's member, as upstream documents its signature."""
    for module, name, value in names():
        if isinstance(value, dict):
            cls = getattr(importlib.import_module(module), name, None)
            for member, text in value.items():
                if f"{module}.{name}.{member}" not in LEFT_OUT:
                    yield f"{module}.{name}.{member}", cls, text


def callables() -> Iterator[tuple[str, Any, str]]:
    """Each function, method and class with the signature that upstream documents."""
    for module, name, value in names():
        if isinstance(value, str) and "(" in value:
            found = getattr(importlib.import_module(module), name, None)
            yield f"{module}.{name}", found, value
    for where, cls, text in members():
        member = where.rpartition(".")[2]
        if "(" in text and cls is not None:
            yield where, cls if member == "()" else getattr(cls, member, None), text


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_here(module: str) -> None:
    found = importlib.import_module(module)
    wanted = {name for where, name, _ in names() if where == module}
    assert {name for name in wanted if not hasattr(found, name)} == set()


def is_of_kind(value: Any, kind: str) -> bool:
    if kind.endswith("def"):
        return callable(value) and inspect.iscoroutinefunction(value) == kind.startswith("async")
    return bool(KINDS.get(kind, lambda value: True)(value))


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_of_the_same_kind(module: str) -> None:
    found = importlib.import_module(module)
    wrong = {
        name: kind
        for where, name, kind in names()
        if where == module and hasattr(found, name) and isinstance(kind, str) and "(" not in kind
        if not is_of_kind(getattr(found, name), kind)
    }
    assert wrong == {}


def test_every_member_of_a_class_is_here() -> None:
    missing = [
        where
        for where, cls, _ in members()
        if not where.endswith("()") and not hasattr(cls, where.rpartition(".")[2])
        if not in_instances(cls, where.rpartition(".")[2])
    ]
    assert missing == []


def in_instances(cls: Any, name: str) -> bool:
    """Whether *name* is annotated, and so set by the constructor."""
    return any(
        name in vars(base).get("__annotations__", ()) for base in getattr(cls, "__mro__", ())
    )


def colour(function: Any) -> str:
    if inspect.isasyncgenfunction(function):
        return "async gen"
    return "async def" if inspect.iscoroutinefunction(function) else "def"


def test_every_function_is_of_the_same_colour() -> None:
    wrong = {
        where: f"{colour(found)}, not {text.partition(' (')[0]}"
        for where, found, text in callables()
        if found is not None and where not in COLOURED_OTHERWISE
        if colour(found) != colour_of(text)
    }
    assert wrong == {}


def colour_of(text: str) -> str:
    return text.partition(" (")[0].removeprefix("classmethod ").removeprefix("staticmethod ")


def parameters(text: str) -> list[inspect.Parameter]:
    signature = text.partition(" (")[2].removesuffix(")")
    function = eval(f"lambda {signature}: None")
    return list(inspect.signature(function).parameters.values())


def calls(wanted: list[inspect.Parameter]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the ways to call a function: with few and all arguments, by position and by name."""
    by_position = [p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name: "x" for p in wanted if p.kind is p.KEYWORD_ONLY}
    needed_names = {
        p.name: "x" for p in wanted if p.kind is p.KEYWORD_ONLY and p.default is p.empty
    }
    needed = [p.name for p in by_position if p.default is p.empty]
    yield needed, needed_names
    yield [p.name for p in by_position], by_name
    only = [p.name for p in by_position if p.kind is p.POSITIONAL_ONLY]
    yield only, {p.name: "x" for p in by_position if p.name not in only} | by_name
    if any(p.kind is p.VAR_POSITIONAL for p in wanted):
        yield [*(p.name for p in by_position), "more"], needed_names
    if any(p.kind is p.VAR_KEYWORD for p in wanted):
        yield needed, {**needed_names, "more": "x"}


def refused(function: Any, text: str, is_method: bool) -> list[str]:
    try:
        ours = inspect.signature(function)
        if "ctx" not in ours.parameters:
            # One that takes a context before its other arguments, if it is given one.
            open_to_all = inspect.signature(function, follow_wrapped=False)
            ours = open_to_all if " (self, ctx" in text or "(ctx" in text else ours
    except (TypeError, ValueError):
        return []
    wanted = parameters(text)
    wrong = []
    for args, kwargs in calls(wanted):
        # Nobody passes `self` by its name.
        first = ["self"] if is_method and kwargs.pop("self", None) else []
        try:
            ours.bind(*first, *args, **kwargs)
        except TypeError as error:
            wrong.append(f"{error} ({args}, {list(kwargs)})")
    return wrong


def test_every_function_can_be_called_in_the_same_way() -> None:
    wrong = {
        where: problems
        for where, found, text in callables()
        if found is not None and where not in CALLED_OTHERWISE
        if (problems := refused(found, text, "(self" in text))
    }
    assert wrong == {}


def test_every_config_key_has_a_default() -> None:
    assert set(API["config defaults"]) <= set(Quart.default_config)


def test_submodules_are_there_once_quart_is_imported() -> None:
    """In a process of its own: here, other tests may have imported them."""
    submodules = [name for name, kind in MODULES["quart"].items() if kind == "module"]
    names = ", ".join(f"quart.{name}" for name in submodules)
    code = f"import quart; {names}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_upstream_imports_for_itself_is_at_its_home() -> None:
    outside = (flask.sansio.blueprints, flask.helpers, flask.sansio.app, flask.sansio.scaffold)
    outside += (flask, werkzeug.exceptions, werkzeug.routing, werkzeug.datastructures)
    homes = [*map(importlib.import_module, MODULES), *outside]
    renamed = {"SansioBlueprint", "WerkzeugResponse", "AppGroup"}
    lost = {
        name
        for names in IMPORTED_ELSEWHERE.values()
        for name in names.split()
        if not any(hasattr(home, name) for home in homes)
    }
    assert lost - renamed == set()


def test_every_exception_to_the_rule_is_needed() -> None:
    documented = {where for where, _, _ in callables()} | {where for where, _, _ in members()}
    assert {*CALLED_OTHERWISE, *COLOURED_OTHERWISE} - documented == set()
    for module, names in IMPORTED_ELSEWHERE.items():
        assert set(names.split()) <= set(MODULES[module])
