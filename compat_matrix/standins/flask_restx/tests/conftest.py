# mypy: disable-error-code="import-not-found"
"""A stand-in for the conftest.py that the sdist leaves out: the fixtures that the tests ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from flask_restx import Api


class JsonClient(FlaskClient):
    """A test client that checks the status of an answer and gives its JSON."""

    def get_json(self, url: str, status: int = 200, **kwargs: Any) -> Any:
        answer = self.get(url, **kwargs)
        assert answer.status_code == status
        assert answer.content_type == "application/json"
        return answer.json

    def post_json(self, url: str, data: Any, status: int = 200, **kwargs: Any) -> Any:
        answer = self.post(url, json=data, **kwargs)
        assert answer.status_code == status
        assert answer.content_type == "application/json"
        return answer.json

    def get_specs(self, prefix: str = "", *, status: int = 200, **kwargs: Any) -> Any:
        return self.get_json(f"{prefix}/swagger.json", status=status, **kwargs)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.test_client_class = JsonClient
    return app


@pytest.fixture
def api(request: pytest.FixtureRequest, app: Flask) -> Api:
    """An API on a blueprint; the mark ``api`` gives its prefix and its other arguments."""
    marker = request.node.get_closest_marker("api")
    arguments = dict(marker.kwargs) if marker else {}
    blueprint = Blueprint("api", __name__, url_prefix=arguments.pop("prefix", ""))
    api = Api(blueprint, **arguments)
    app.register_blueprint(blueprint)
    return api


@pytest.fixture(autouse=True)
def marked_request_context(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test marked ``request_context`` within the request that the mark describes."""
    marker = request.node.get_closest_marker("request_context")
    if marker is None:
        yield
        return
    app: Flask = request.getfixturevalue("app")
    with app.test_request_context(*marker.args, **marker.kwargs):
        yield
