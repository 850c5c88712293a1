"""Flask-Sock, as its users use it."""

from typing import Any

from flask import abort, Blueprint, Flask, g, request, Response, session
from flask_sock import Sock

import quart
import quart_flask_patch  # noqa: F401

app = Flask(__name__)
app.secret_key = "secret"
app.config["WEBSOCKET_ORIGINS"] = ["same", "https://friend.example"]
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25, "subprotocols": ["talk"]}
sock = Sock(app)


@app.get("/log-in/<name>")
def log_in(name: str) -> str:
    session["name"] = name
    return name


@sock.route("/echo/<greeting>")  # type: ignore[untyped-decorator]  # Flask-Sock has no types
def echo(ws: Any, greeting: str) -> None:
    ws.send(f"{greeting} {session.get('name')} {request.args.get('q')}")
    while (data := ws.receive()) != "return":
        if data == "close":
            ws.close(4001, "enough")
        ws.send(data.upper() if isinstance(data, str) else data)


# A door that is locked, and who has come through it

members = Blueprint("members", __name__, url_prefix="/members")
members_sock = Sock(members)
ran: list[str] = []


@app.get("/ran")
def what_ran() -> list[str]:
    told = list(ran)
    ran.clear()
    return told


@members.before_request
def guard() -> None:
    ran.append("before")
    g.name = session.get("name")
    if g.name is None:
        abort(401)


@members.after_request
def after(response: Response) -> Response:
    ran.append("after")
    response.headers["X-Served-By"] = "echo"
    return response


@members.teardown_request
def teardown(error: BaseException | None) -> None:
    ran.append("teardown")


@members_sock.route("/taken")  # type: ignore[untyped-decorator]  # Flask-Sock has no types
def taken(ws: Any) -> None:
    ran.append("view")
    ws.send(f"members' news for {g.name}")


@members.websocket("/own")
async def own() -> None:
    ran.append("view")
    await quart.websocket.send(f"members' news for {g.name}")


app.register_blueprint(members)
