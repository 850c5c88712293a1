"""What the sdist of Flask-Authz leaves out: its tests' application, and its model and policy."""

from pathlib import Path

import pytest
from flask import Flask

MODEL = """\
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


@pytest.fixture
def app_fixture(tmp_path: Path) -> Flask:
    model = tmp_path / "model.conf"
    model.write_text(MODEL)
    app = Flask("authz")
    app.config["CASBIN_MODEL"] = str(model)
    app.config["CASBIN_OWNER_HEADERS"] = {"X-User", "X-Idp-Groups", "Authorization"}
    app.config["CASBIN_USER_NAME_HEADERS"] = {"X-User"}
    app.config["JWT_SECRET_KEY"] = "SECRET_KEY"
    app.config["JWT_HASH"] = "HS256"
    return app
