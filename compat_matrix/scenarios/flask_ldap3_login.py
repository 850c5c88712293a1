"""Flask-LDAP3-Login: users who log in with ldap3's own stand-in for a directory."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from flask import Blueprint, current_app, Flask, g, request, session
from flask.typing import ResponseReturnValue
from flask_ldap3_login import AuthenticationResponseStatus, LDAP3LoginManager
from flask_ldap3_login.forms import LDAPLoginForm

from compat_matrix.scenarios._exchange import get, post, SIGNED_AT

pages = Blueprint("pages", __name__)
DIRECTORY = {
    "entries": [
        {
            "dn": f"uid={name},ou=users,dc=example,dc=org",
            "raw": {
                "objectClass": ["inetOrgPerson"],
                "uid": [name],
                "cn": [name.title()],
                "mail": [f"{name}@example.org"],
                "userPassword": [f"of {name}"],
            },
        }
        for name in ("ann", "bob")
    ]
}


def manager() -> LDAP3LoginManager:
    found: LDAP3LoginManager = current_app.ldap3_login_manager  # type: ignore[attr-defined]
    return found


@pages.post("/login")
def login() -> ResponseReturnValue:
    form = LDAPLoginForm(meta={"csrf": False})
    if not form.validate():
        return {"errors": form.errors}, 401
    session["who"] = form.user["name"]
    return {"who": session["who"], "connections": len(connections())}


@pages.post("/login-async")
async def login_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    found = manager().authenticate(request.form["username"], request.form["password"])
    return {"success": found.status == AuthenticationResponseStatus.success, "dn": found.user_dn}


def connections() -> list[object]:
    return getattr(g, "flask_ldap3_login_manager_connections", [])


@pages.get("/me")
def me() -> ResponseReturnValue:
    return {"who": session.get("who")}


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return "", 204


def create_app() -> Flask:
    app = Flask(__name__)
    file = Path(tempfile.mkdtemp(), "directory.json")
    file.write_text(json.dumps(DIRECTORY), "utf-8")
    app.config |= {
        "SECRET_KEY": "of the scenario",
        "LDAP_HOST": "directory",
        "LDAP_MOCK_DATA": str(file),
        "LDAP_BASE_DN": "dc=example,dc=org",
        "LDAP_USER_DN": "ou=users",
        "LDAP_USER_RDN_ATTR": "uid",
        "LDAP_USER_LOGIN_ATTR": "uid",
        "LDAP_SEARCH_FOR_GROUPS": False,
    }

    @LDAP3LoginManager(app).save_user
    def save(dn: str, name: str, data: dict[str, object], groups: object) -> dict[str, object]:
        return {"name": name, "dn": dn}

    app.register_blueprint(pages)
    return app


DIFFERENCES = [SIGNED_AT]
ANN = {"username": "ann", "password": "of ann"}
WRONG = {"username": "ann", "password": "of bob"}

EXCHANGES = [
    get("/me", '"who":null'),
    post("/login", "required", form={}, status=401),
    post("/login", "Invalid Username/Password.", form=WRONG, status=401),
    get("/me", '"who":null'),
    post("/login", '"who":"ann"', form=ANN),
    get("/me", '"who":"ann"'),
    post("/login-async", '"success":true', "uid=ann", form=ANN),
    post("/login-async", '"success":false', form=WRONG),
    post("/login-async", form={"username": "ann"}, status=400),
    post("/login", '"who":"bob"', form={"username": "bob", "password": "of bob"}),
    get("/me", '"who":"bob"'),
    post("/logout", status=204),
    get("/me", '"who":null'),
    get("/login", status=405),
]
