"""The configuration mapping."""

from __future__ import annotations

import pytest
from flask.config import Config as FlaskConfig

from quart.config import Config


def test_environment_variables_with_quarts_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUART_TESTING", "true")
    monkeypatch.setenv("QUART_NAME", "not json")
    monkeypatch.setenv("QUART_MAIL__PORT", "25")
    monkeypatch.setenv("FLASK_OTHER", "1")
    config = Config(".")
    assert config.from_prefixed_env()
    assert config == {"TESTING": True, "NAME": "not json", "MAIL": {"PORT": 25}}


def test_environment_variables_with_another_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_PORT", "25")
    config = Config(".")
    assert config.from_prefixed_env("FLASK", loads=str)
    assert config == {"PORT": "25"}


def test_it_is_a_flask_config() -> None:
    config = Config(".", {"A": 1})
    assert isinstance(config, FlaskConfig)
    assert config.from_mapping(B=2, c=3)
    assert config == {"A": 1, "B": 2}
