"""Flask-Principal: who somebody is, and what they may do, remembered in the session."""

from __future__ import annotations

import asyncio

from flask import Blueprint, current_app, Flask, g, request, session
from flask.typing import ResponseReturnValue
from flask_principal import (
    AnonymousIdentity,
    Denial,
    Identity,
    identity_changed,
    identity_loaded,
    Need,
    Permission,
    PermissionDenied,
    Principal,
    RoleNeed,
    UserNeed,
)

from compat_matrix.scenarios._exchange import get, post, request as send, SIGNED_AT

ROLES = {"ann": ["admin", "author"], "bob": ["author"], "eve": ["banned", "author"]}

admin = Permission(RoleNeed("admin"))
author = Permission(RoleNeed("author"))
not_banned = Denial(RoleNeed("banned"))
pages = Blueprint("pages", __name__)


@pages.post("/login")
def login() -> ResponseReturnValue:
    identity = Identity(request.form["who"], "form")
    identity_changed.send(current_app._get_current_object(), identity=identity)  # type: ignore[attr-defined]
    return {"who": g.identity.id}


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    for key in ("identity.id", "identity.auth_type"):
        session.pop(key, None)
    current = current_app._get_current_object()  # type: ignore[attr-defined]
    identity_changed.send(current, identity=AnonymousIdentity())
    return "", 204


@pages.get("/me")
def me() -> ResponseReturnValue:
    needs = sorted(str(need) for need in g.identity.provides)
    return {"who": g.identity.id, "type": g.identity.auth_type, "needs": needs}


@pages.get("/admin")
@admin.require(http_exception=403)
def for_admins() -> ResponseReturnValue:
    return "for admins"


@pages.get("/author")
@author.require()
def for_authors() -> ResponseReturnValue:
    return "for authors"


@pages.get("/author-async")
async def for_authors_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    with author.require(401):
        return {"who": g.identity.id}


@pages.get("/write")
def write() -> ResponseReturnValue:
    with (author & not_banned).require(403):
        return "written"


@pages.get("/posts/<int:number>")
def post_of(number: int) -> ResponseReturnValue:
    edit = Permission(Need("edit", number))
    if edit.can() or admin:
        return {"may": "edit", "number": number}
    return {"may": "read", "number": number}


@pages.get("/explain")
def explain() -> ResponseReturnValue:
    mine = Permission(UserNeed("ann")).union(admin)
    return {
        "can": [admin.can(), author.can(), not_banned.can(), mine.can()],
        "reverse": sorted(map(str, admin.reverse().excludes)),
        "subset": admin.issubset(mine),
    }


@pages.app_errorhandler(PermissionDenied)
def denied(error: PermissionDenied) -> ResponseReturnValue:
    return {"denied": type(error.args[0]).__name__}, 403


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    Principal(app)

    @identity_loaded.connect_via(app)
    def on_loaded(sender: Flask, identity: Identity) -> None:
        if identity.id:
            identity.provides.add(UserNeed(identity.id))
        identity.provides |= {RoleNeed(role) for role in ROLES.get(identity.id, ())}
        if identity.id == "bob":
            identity.provides.add(Need("edit", 7))

    app.register_blueprint(pages)
    return app


DIFFERENCES = [SIGNED_AT]

EXCHANGES = [
    get("/me", '"who":null'),
    get("/admin", status=403),
    get("/author", '"denied"', status=403),
    get("/author-async", status=401),
    post("/login", '"who":"bob"', form={"who": "bob"}),
    get("/me", '"type":"form"', "author"),
    get("/admin", "Forbidden", status=403),
    get("/author", "for authors"),
    get("/author-async", '"who":"bob"'),
    get("/write", "written"),
    get("/posts/7", '"may":"edit"'),
    get("/posts/8", '"may":"read"'),
    get("/explain", "false,true,true,false"),
    post("/login", form={"who": "eve"}),
    get("/write", status=403),
    post("/login", form={"who": "ann"}),
    get("/admin", "for admins"),
    get("/posts/8", '"may":"edit"'),
    get("/explain", "true,true,true,true"),
    post("/logout", status=204),
    get("/me", '"who":null'),
    get("/author", status=403),
    post("/login", form={}, status=400),
    send("HEAD", "/admin", status=403),
]
