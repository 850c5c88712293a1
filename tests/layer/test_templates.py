"""Templates find on the layer what they find on Flask, wherever they look it up."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import flask.json.provider
import flask.templating
import jinja2
import pytest
from flask import render_template_string
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment, SecurityError

from quart_flask_patch.app import Flask


class Point:
    x = "an attribute"

    def __getitem__(self, key: str) -> str:
        return f"the item {key}"


class Given(dict[str, str]):
    x = "an attribute"


NAMES = {
    "plain": {"x": "a key", "items": "a key", "of": {"x": {"x": "deep"}}},
    "point": Point(),
    "given": Given(x="a key", y="another"),
    "wrapped": UserDict(x="a key"),
    "nothing": None,
}
LOOK_UPS = (
    "plain.x",
    "plain.of.x.x",
    "plain.missing",
    "plain.missing is defined",
    "plain.items is callable",
    "plain['items']",
    "plain.get('x')",
    "point.x",
    "point.y",
    "given.x",
    "given.y",
    "wrapped.x",
    "'text'.upper()",
    "[plain, plain] | map(attribute='x') | join",
    "nothing.x",
)


@pytest.mark.parametrize("look_up", LOOK_UPS)
def test_it_finds_what_jinja_finds(app: Flask, look_up: str) -> None:
    source = "{{ " + look_up + " }}"
    with app.app_context():
        assert render_template_string(source, **NAMES) == jinja2.Template(source).render(NAMES)


def test_a_key_that_is_missing_says_so(app: Flask) -> None:
    with app.app_context(), pytest.raises(jinja2.UndefinedError, match="no attribute 'gone'"):
        render_template_string("{{ plain.gone.x }}", **NAMES)


def test_the_generator_of_an_environment_behind_flasks_is_kept(app: Flask) -> None:
    app.jinja_environment = type("Mine", (Flask.jinja_environment, NativeEnvironment), {})
    with app.app_context():
        assert app.jinja_env.from_string("{{ plain.of }}").render(NAMES) == NAMES["plain"]["of"]  # type: ignore[index]


def test_a_sandbox_behind_flasks_environment_is_kept(app: Flask) -> None:
    app.jinja_environment = type("Mine", (Flask.jinja_environment, SandboxedEnvironment), {})
    with app.app_context():
        assert render_template_string("{{ plain.x }}", **NAMES) == "a key"
        with pytest.raises(SecurityError):
            render_template_string("{{ plain.__class__.mro() }}", **NAMES)


def test_an_environment_that_looks_up_attributes_by_itself(app: Flask) -> None:
    class Shouting(Flask.jinja_environment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return str(super().getattr(obj, attribute)).upper()

    app.jinja_environment = Shouting
    with app.app_context():
        assert render_template_string("{{ plain.x }}", **NAMES) == "A KEY"


def test_templates_of_an_async_environment(app: Flask) -> None:
    app.jinja_options = {"enable_async": True}
    with app.app_context():
        assert render_template_string("{{ plain.of.x.x }}", **NAMES) == "deep"


def test_its_environment_is_flasks(app: Flask) -> None:
    assert isinstance(app.jinja_env, flask.templating.Environment)
    assert isinstance(app.json, flask.json.provider.DefaultJSONProvider)
