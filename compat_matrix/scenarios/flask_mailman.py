"""Flask-Mailman: mails of several kinds over several back ends."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from flask import Blueprint, current_app, Flask, request
from flask.typing import ResponseReturnValue
from flask_mailman import EmailMessage, EmailMultiAlternatives, Mail
from flask_mailman.message import BadHeaderError

from compat_matrix.scenarios import _smtp
from compat_matrix.scenarios._exchange import get, LENGTH, Named, post

mail = Mail()
pages = Blueprint("pages", __name__)


@pages.post("/send")
def send() -> ResponseReturnValue:
    to = [request.form["to"]]
    return {"sent": mail.send_mail(request.form["subject"], "hello", "from@b.example", to)}


@pages.post("/send-async")
async def send_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    message = EmailMessage(request.form["subject"], "hello", to=[request.form["to"]])
    return {"sent": message.send()}


@pages.post("/quietly")
def quietly() -> ResponseReturnValue:
    message = EmailMessage("quiet", "hello", to=[request.form["to"]])
    return {"sent": message.send(fail_silently=True)}


@pages.post("/rich")
def rich() -> ResponseReturnValue:
    message = EmailMultiAlternatives(
        request.form["subject"],
        "Grüße",
        to=["a@b.example"],
        cc=["cc@b.example"],
        bcc=["bcc@b.example"],
        reply_to=["reply@b.example"],
        headers={"X-Scenario": "rich", "Message-ID": "<1@b.example>"},
    )
    message.attach_alternative("<b>Grüße</b>", "text/html")
    message.attach("data.csv", "a,b\n1,2", "text/csv")
    message.send()
    return {"recipients": message.recipients(), "text": message.message().as_string()}


@pages.post("/mass")
def mass() -> ResponseReturnValue:
    given = [(f"{n}", "text", "from@b.example", [f"{n}@b.example"]) for n in range(3)]
    return {"sent": mail.send_mass_mail(given)}


@pages.post("/backend/<name>")
def other_backend(name: str) -> ResponseReturnValue:
    with mail.get_connection(backend=name) as connection:
        message = EmailMessage("kept", "text", to=["a@b.example"], connection=connection)
        sent = message.send()
    state = current_app.extensions["mailman"]
    outbox = [item.subject for item in getattr(state, "outbox", [])]
    folder = Path(current_app.config["MAIL_FILE_PATH"])
    return {"sent": sent, "outbox": outbox, "files": [f.read_text() for f in folder.iterdir()]}


@pages.get("/sink")
def sink() -> ResponseReturnValue:
    return {"mails": _smtp.mails}


@pages.app_errorhandler(BadHeaderError)
def bad_header(error: BadHeaderError) -> ResponseReturnValue:
    return {"refused": str(error)}, 400


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": _smtp.start(),
        "MAIL_DEFAULT_SENDER": "from@b.example",
        "MAIL_FILE_PATH": tempfile.mkdtemp(),
    }
    mail.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [
    LENGTH,
    Named("date of the mail", r"(?<=Date: )\w{3}, .*?[+-]\d{4}"),
    Named("id of the mail", r"\d[\d.]+@[\w.-]+(?=\\u003[eE]|>)"),
    Named("boundary", r"={7,}\d+=="),
    Named("size of the mail", r"(?i)(?<= size=)\d+"),
]

ONE = {"to": "ann@b.example", "subject": "hello"}

EXCHANGES = [
    get("/sink", '"mails":[]'),
    post("/send", '"sent":1', form=ONE),
    get("/sink", "rcpt TO:", "hello"),
    post("/send-async", '"sent":1', form=ONE),
    post("/rich", "X-Scenario: rich", "data.csv", form={"subject": "Grüße"}),
    get("/sink", "bcc@b.example", "reply@b.example"),
    post("/mass", '"sent":3'),
    post("/send", form={**ONE, "to": "nobody@b.example"}, status=500),
    post("/quietly", form={"to": "nobody@b.example"}),
    post("/send", "refused", form={**ONE, "subject": "a\nBcc: x@y"}, status=400),
    post("/backend/locmem", '"outbox":["kept"]'),
    post("/backend/file", "Subject: kept"),
    post("/backend/dummy", '"sent":1'),
    post("/backend/none", status=500),
    post("/send", form={}, status=400),
    get("/send", status=405),
]
