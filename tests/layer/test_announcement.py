"""The word at a server's start that the layer is in place."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

import pytest
from flask import Flask

from quart_flask_patch import _announcement


def test_it_names_the_layer_flask_and_the_application(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "quart_flask_patch"):
        _announcement.announce(app)
    (message,) = caplog.messages
    for word in (version("quart-flask-patch"), version("flask"), app.name):
        assert word in message


def test_it_is_said_of_a_layer_that_is_not_installed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a zip file, or by PYTHONPATH, there is the code and no metadata."""

    def unknown(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_announcement, "version", unknown)
    assert _announcement.versions() == "quart-flask-patch in place of Flask"
