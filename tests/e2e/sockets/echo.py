"""Flask-Sock, as its users use it."""

from typing import Any

from flask import Flask, request, session
from flask_sock import Sock

import quart_flask_patch  # noqa: F401

app = Flask(__name__)
app.secret_key = "secret"
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
