"""Flask-Bcrypt: register with a password, log in with it."""

from __future__ import annotations

import asyncio

from flask import abort, Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_bcrypt import Bcrypt, check_password_hash, generate_password_hash

from compat_matrix.scenarios._exchange import Found, get, Named, post, request as send

PEOPLE: dict[str, str] = {}

LONG = "long " * 30


bcrypt = Bcrypt()
pages = Blueprint("pages", __name__)


@pages.post("/register")
def register() -> ResponseReturnValue:
    hashed = bcrypt.generate_password_hash(request.form["password"])
    PEOPLE[request.form["name"]] = hashed.decode("utf-8")
    return {"hash": hashed.decode("utf-8")}, 201


@pages.post("/login")
def login() -> ResponseReturnValue:
    hashed = PEOPLE.get(request.form["name"]) or abort(404)
    if not bcrypt.check_password_hash(hashed, request.form["password"]):
        abort(401)
    return "welcome"


@pages.post("/login-async")
async def login_async() -> ResponseReturnValue:
    hashed = PEOPLE[request.form["name"]]
    password = request.form["password"]
    fits = await asyncio.to_thread(bcrypt.check_password_hash, hashed, password)
    return {"fits": fits}


@pages.post("/check")
def check() -> ResponseReturnValue:
    return {"fits": bcrypt.check_password_hash(request.form["hash"], request.form["password"])}


@pages.get("/functions")
def functions() -> ResponseReturnValue:
    hashed = generate_password_hash("hunter2", 4)
    return {"fits": check_password_hash(hashed, "hunter2"), "rounds": hashed[4:6].decode()}


@pages.get("/empty")
def empty() -> ResponseReturnValue:
    return {"hash": bcrypt.generate_password_hash("").decode()}  # refuses to


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["BCRYPT_LOG_ROUNDS"] = 5
    app.config["BCRYPT_HANDLE_LONG_PASSWORDS"] = True
    bcrypt.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [Named("salted hash", r"\$2b\$05\$[./\w]{53}")]

EXCHANGES = [
    post("/register", "<salted hash>", form={"name": "ann", "password": "hunter2"}, status=201),
    post("/register", form={"name": "bob", "password": LONG}, status=201),
    post("/login", "welcome", form={"name": "ann", "password": "hunter2"}),
    post("/login", form={"name": "ann", "password": "hunter3"}, status=401),
    post("/login", "welcome", form={"name": "bob", "password": LONG}),
    # bcrypt itself looks at 72 bytes only.
    post("/login", form={"name": "bob", "password": LONG[:-1]}, status=401),
    post("/login", form={"name": "eve", "password": "?"}, status=404),
    post("/login-async", '"fits":true', form={"name": "ann", "password": "hunter2"}),
    post("/login-async", '"fits":false', form={"name": "ann", "password": "hunter3"}),
    post(
        "/check",
        '"fits":false',
        form={"hash": Found(r'"hash":"([^"]+)'), "password": "hunter2"},
    ),
    get("/functions", '"rounds":"04"', '"fits":true'),
    get("/empty", status=500),
    post("/login", form={"name": "ann"}, status=400),
    post("/check", form={"hash": "no hash", "password": "x"}, status=500),
    send("OPTIONS", "/login", "allow: OPTIONS, POST"),
    get("/login", status=405),
]
