"""Every name of Flask is there under the layer, synchronous, and called in the same way.

`data/flask-api.json` is the API of Flask 3.1.3 in a compact form: ``{module: {name: kind or
signature or {member: kind or signature}}}``. In a signature the default values are all ``0``;
``()`` is the signature of the class itself. All functions of Flask are synchronous.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pickle
import sys
import typing
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import flask
import flask.testing
import pytest
from blinker import NamedSignal
from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.local import LocalProxy

import quart_flask_patch
from quart_flask_patch import genuine

from .test_install import run_script

API = json.loads((Path(__file__).parent.parent / "data" / "flask-api.json").read_text())
MODULES: dict[str, dict[str, Any]] = API["modules"]

KINDS: dict[str, Any] = {
    "class": inspect.isclass,
    "module": lambda value: isinstance(value, ModuleType),
    "signal": lambda value: isinstance(value, NamedSignal),
    "proxy": lambda value: isinstance(value, LocalProxy),
    "contextvar": lambda value: isinstance(value, ContextVar),
}


def is_of_kind(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return inspect.isclass(value)
    if kind.startswith("("):
        return callable(value)
    return bool(KINDS.get(kind, lambda value: True)(value))


def classes() -> Iterator[tuple[str, Any, dict[str, str]]]:
    for module, names in MODULES.items():
        for name, value in names.items():
            if isinstance(value, dict):
                yield f"{module}.{name}", getattr(importlib.import_module(module), name), value


def callables() -> Iterator[tuple[str, Any, str]]:
    """Each function, method and class, with Flask's signature."""
    for module, names in MODULES.items():
        for name, value in names.items():
            if isinstance(value, str) and value.startswith("("):
                yield f"{module}.{name}", getattr(importlib.import_module(module), name), value
    for where, cls, members in classes():
        for name, text in members.items():
            # The interpreter calls it, by position.
            if text.startswith("(") and name != "__exit__":
                yield f"{where}.{name}", cls if name == "()" else getattr(cls, name), text


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_there(module: str) -> None:
    found = importlib.import_module(module)
    assert found is sys.modules[module]
    wrong = {
        name: kind
        for name, kind in MODULES[module].items()
        if not hasattr(found, name) or not is_of_kind(getattr(found, name), kind)
    }
    assert wrong == {}


def test_every_member_of_a_class_is_there() -> None:
    missing = [
        f"{where}.{name}"
        for where, cls, members in classes()
        for name in members
        if name != "()" and not hasattr(cls, name)
        # Set by the constructor.
        if not any(name in vars(base).get("__annotations__", ()) for base in cls.__mro__)
    ]
    assert missing == []


def test_every_function_is_synchronous() -> None:
    wrong = [
        where
        for where, found, _ in callables()
        if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)
        # Which is how a server knows that it may call it as ASGI.
        if not where.endswith("Flask.__call__")
    ]
    assert wrong == []


def calls(text: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield the ways to call a function: with few and all arguments, by position and by name."""
    wanted = list(inspect.signature(eval(f"lambda {text[1:-1]}: None")).parameters.values())
    by_position = [p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = {p.name: "x" for p in wanted if p.kind is p.KEYWORD_ONLY}
    needed = [p.name for p in by_position if p.default is p.empty]
    needed_names = {
        p.name: "x" for p in wanted if p.kind is p.KEYWORD_ONLY and p.default is p.empty
    }
    yield needed, needed_names
    yield [p.name for p in by_position], by_name
    # Nobody passes `self` by its name.
    first = [p.name for p in by_position if p.kind is p.POSITIONAL_ONLY or p.name == "self"]
    yield first, {p.name: "x" for p in by_position if p.name not in first} | by_name
    if any(p.kind is p.VAR_POSITIONAL for p in wanted):
        yield [*(p.name for p in by_position), "more"], needed_names
    if any(p.kind is p.VAR_KEYWORD for p in wanted):
        yield needed, {**needed_names, "more": "x"}


def refused(function: Any, text: str) -> list[str]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    wrong = []
    for args, kwargs in calls(text):
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            wrong.append(f"{error} ({args}, {list(kwargs)})")
    return wrong


def test_every_function_can_be_called_in_the_same_way() -> None:
    wrong = {where: problems for where, f, text in callables() if (problems := refused(f, text))}
    assert wrong == {}


def test_every_config_key_has_flasks_default() -> None:
    defaults = genuine.Flask.default_config
    assert set(defaults) == set(API["config defaults"])
    assert {key: Flask.default_config[key] for key in defaults} == dict(defaults)


def test_steps_take_arguments_by_flasks_names(app: Flask) -> None:
    with app.test_request_context("/"):
        assert app.finalize_request(from_error_handler=True, rv="made").data == b"made"
        assert app.handle_http_exception(e=NotFound()).code == 404
        response = app.response_class("as it was")
        assert app.process_response(response=response) is response
        app.do_teardown_request(exc=None)


# --- What programs do with names -----------------------------------------------------------------

#: Of the modules, those that the layer has a version of its own in.
REPLACED = ["Flask", "Blueprint", "Request", "Response", "Config", "session", "url_for", "g"]


@pytest.mark.parametrize("name", REPLACED)
def test_a_name_is_the_same_wherever_it_is_found(name: str) -> None:
    value = getattr(flask, name)
    for module in ("flask.app", "flask.blueprints", "flask.wrappers", "flask.globals"):
        found = getattr(importlib.import_module(module), name, value)
        assert found is value


@pytest.mark.parametrize("cls", [flask.Flask, flask.Blueprint, flask.Request, flask.ctx.AppContext])
def test_a_class_can_be_looked_at(cls: Any) -> None:
    assert inspect.isclass(cls)
    assert Path(inspect.getsourcefile(cls) or "").is_file()
    assert inspect.getsource(cls)
    assert inspect.getdoc(cls)
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert getattr(importlib.import_module(cls.__module__), cls.__qualname__) is cls


def test_an_application_can_be_looked_at(app: Flask) -> None:
    """As a documentation tool or a debugger does."""
    names = dir(app)
    assert {*dir(genuine.Flask)} <= {*names}
    for name in names:
        member = inspect.getattr_static(app, name)
        inspect.isroutine(member)
        inspect.unwrap(member) if callable(member) else None
    assert repr(app) == f"<Flask '{app.name}'>"
    assert callable(app)


@pytest.mark.parametrize("name", ["dispatch_request", "process_response", "handle_exception"])
def test_a_replaced_method_has_flasks_name_and_doc(name: str) -> None:
    method = getattr(Flask, name)
    assert method.__name__ == name
    assert inspect.getdoc(method)


def test_type_hints_are_resolved() -> None:
    def view(response: flask.Response, app: flask.Flask) -> flask.typing.HeaderValue:
        return response.mimetype or app.name

    hints = typing.get_type_hints(view)
    assert (hints["response"], hints["app"]) == (flask.Response, Flask)


@pytest.mark.parametrize("name", ["Response", "render_template", "Flask", "url_for", "jsonify"])
def test_what_is_pickled_by_name_comes_back(name: str) -> None:
    value = getattr(flask, name)
    assert pickle.loads(pickle.dumps(value)) is value


def test_the_config_can_be_pickled(app: Flask) -> None:
    assert pickle.loads(pickle.dumps(dict(app.config))) == dict(app.config)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_names_can_be_patched(app: Flask, kind: str) -> None:
    @app.get("/sync")
    def view() -> Any:
        return flask.render_template("missing.html") + flask.request.args["a"]

    @app.get("/async")
    async def async_view() -> Any:
        return view()

    with mock.patch("flask.render_template", return_value="mocked "):
        assert app.test_client().get(f"/{kind}?a=1").text == "mocked 1"
    with mock.patch("flask.helpers.url_for"), mock.patch.object(flask.json, "dumps") as dumps:
        assert flask.json.dumps is dumps
    with mock.patch("flask.Flask.make_response") as make, mock.patch.dict(app.config, A=1):
        assert Flask.make_response is make
        assert app.config["A"] == 1
    with app.test_request_context("/"), mock.patch("flask.request") as fake:
        fake.args = {"a": "mocked"}
        assert flask.request.args == {"a": "mocked"}
    with mock.patch("flask.sessions.SecureCookieSessionInterface.save_session") as save:
        app.test_client().get(f"/{kind}", query_string={"a": 1})
        assert save.call_count <= 1


def test_the_modules_can_be_reloaded(tmp_path: Path) -> None:
    """In a process of its own, which is spoilt by it as it is with Flask."""
    run_script(
        """
        import importlib, sys
        import quart_flask_patch
        import quart
        import flask

        before = flask.Flask
        assert importlib.reload(flask) is flask
        for name in ("app", "json", "ctx", "helpers", "signals", "views", "templating"):
            module = getattr(flask, name)
            file = module.__file__
            assert importlib.reload(module) is sys.modules[f"flask.{name}"]
            assert module.__file__ == file
        assert flask.Flask is before and issubclass(flask.Flask, quart.Quart)

        from flask import Flask, request, jsonify, render_template_string

        app = Flask(__name__)

        @app.get("/")
        async def view():
            return jsonify(render_template_string("{{ request.path }}"), request.path)

        assert app.test_client().get("/").json == ["/", "/"]
        """,
        tmp_path,
    )


def test_a_name_that_flask_has_not_is_told() -> None:
    assert not hasattr(flask, "_app_ctx_stack")
    with pytest.raises(AttributeError, match=r"every name of Flask 3\.1\.\d+, which has no such"):
        flask.escape  # type: ignore[attr-defined]  # noqa: B018  # that is the point
    with pytest.raises(ImportError, match="Markup"):
        from flask import Markup  # type: ignore[attr-defined]  # noqa: F401
    with pytest.warns(DeprecationWarning, match="__version__"):
        assert flask.__version__.startswith("3.1.")


def test_a_module_is_found_by_what_is_in_it() -> None:
    for thing in (flask.Flask, flask.Flask.dispatch_request, flask.render_template, flask.Request):
        module = inspect.getmodule(thing)
        assert module is not None
        assert inspect.getsource(thing) in inspect.getsource(module)


def test_it_can_be_imported_in_every_way(tmp_path: Path) -> None:
    run_script(
        """
        import quart_flask_patch
        import importlib, importlib.metadata, importlib.util
        import flask as first
        from flask import *
        from flask import app as module, json, cli
        import flask.json.provider as provider
        import flask.sansio.app

        assert importlib.import_module("flask") is first
        assert importlib.import_module(".app", "flask") is module
        assert importlib.util.find_spec("flask") is not None
        assert importlib.util.find_spec("flask.json.tag") is not None
        assert importlib.metadata.version("flask").startswith("3.")
        assert first.__name__ and first.__file__ and first.__path__
        assert request is first.request and Flask is module.Flask
        try:
            first.nothing
        except AttributeError:
            pass
        else:
            raise AssertionError
        """,
        tmp_path,
    )


def own_names() -> list[str]:
    """The names that the layer has beside Flask's, as type checkers see them."""
    source = Path(str(quart_flask_patch.__file__)).read_text(encoding="utf-8")
    imports = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    names = {alias.asname for node in imports for alias in node.names if alias.asname}
    return sorted(
        name for name in names if not name.startswith("_") and name not in MODULES["flask"]
    )


@pytest.mark.parametrize("name", own_names())
def test_a_name_of_the_layers_own_is_in_the_reference(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "api.md"
    assert f":: quart_flask_patch.{name}\n" in page.read_text(encoding="utf-8")
