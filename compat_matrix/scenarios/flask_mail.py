"""Flask-Mail: mails sent to a server, recorded, and put together."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from flask import Blueprint, current_app, Flask, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_mail import Attachment, BadHeaderError, email_dispatched, Mail, Message

from compat_matrix.scenarios import _smtp
from compat_matrix.scenarios._exchange import get, LENGTH, Named, post

mail = Mail()
pages = Blueprint("pages", __name__)
dispatched: list[str] = []


def note(app: Flask, message: Message) -> None:
    dispatched.append(f"{app.name}: {message.subject}")


def message_for(form: Any) -> Message:
    message = Message(form["subject"], recipients=form.getlist("to"))
    message.body = render_template_string("Dear {{ name }}", name=form.get("name", "you"))
    return message


@pages.post("/send")
def send() -> ResponseReturnValue:
    mail.send(message_for(request.form))
    return {"sent": len(_smtp.mails)}, 202


@pages.post("/send-async")
async def send_async() -> ResponseReturnValue:
    message = message_for(request.form)
    await asyncio.sleep(0.001)
    mail.send(message)
    return {"sent": len(_smtp.mails)}, 202


@pages.post("/rich")
def rich() -> ResponseReturnValue:
    message = message_for(request.form)
    message.html = "<b>Grüße</b>"
    message.cc, message.bcc = ["cc@b.example"], ["bcc@b.example"]
    message.reply_to = ("Reply", "reply@b.example")
    message.extra_headers = {"X-Scenario": "rich"}
    file = request.files.get("file")
    message.attach("data.txt", "text/plain", file.read() if file else b"attached")
    message.attachments.append(Attachment("ü.bin", "application/octet-stream", b"\x00\x01"))
    mail.send(message)
    return {"as string": message.as_string()}


@pages.post("/many")
def many() -> ResponseReturnValue:
    with mail.connect() as connection:
        for address in request.form.getlist("to"):
            connection.send(Message("one of many", recipients=[address], body="hello"))
    return {"sent": len(_smtp.mails)}


@pages.post("/recorded")
def recorded() -> ResponseReturnValue:
    with mail.record_messages() as outbox:
        mail.send_message(subject="recorded", recipients=["a@b.example"], body="x")
    return {"outbox": [message.subject for message in outbox], "sender": outbox[0].sender}


@pages.get("/sink")
def sink() -> ResponseReturnValue:
    return {"mails": _smtp.mails, "dispatched": dispatched}


@pages.app_errorhandler(BadHeaderError)
def bad_header(error: BadHeaderError) -> ResponseReturnValue:
    return {"refused": type(error).__name__, "app": current_app.name}, 400


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": _smtp.start(),
        "MAIL_DEFAULT_SENDER": ("Scenario", "from@b.example"),
        "MAIL_MAX_EMAILS": 2,
    }
    mail.init_app(app)
    email_dispatched.connect(note, app)
    app.register_blueprint(pages)
    return app


def in_order(match: re.Match[str]) -> str:
    return "".join(sorted(match[0].splitlines(keepends=True)))


DIFFERENCES = [
    LENGTH,
    Named("line ends", r"\\n", "\n"),
    Named("recipients in any order", r"(rcpt TO:.*\n)+", in_order),  # Flask-Mail keeps a set
    Named("date of the mail", r"(?<=Date: )\w{3}, .*?[+-]\d{4}"),
    Named("id of the mail", r"(?<=Message-ID: \\u003C)[^>]*?(?=\\u003E)|(?<=Message-ID: <)[^>]*"),
    Named("boundary", r"={7,}\d+=="),
    Named("size of the mail", r"(?i)(?<= size=)\d+"),
]

ONE = {"to": "ann@b.example", "subject": "hello"}

EXCHANGES = [
    get("/sink", '"mails":[]'),
    post("/send", '"sent":1', form=ONE, status=202),
    get("/sink", "rcpt TO:", "Dear you", "hello"),
    post("/send-async", '"sent":2', form={**ONE, "name": "<Ann>"}, status=202),
    post("/rich", "X-Scenario: rich", "data.txt", form={**ONE, "subject": "Grüße"}),
    get("/sink", "bcc@b.example", "Reply"),
    post("/many", '"sent":4', form={"to": "a@b.example"}),
    post("/recorded", '"outbox":["recorded"]', "from@b.example"),
    post("/send", form={"subject": "to nobody"}, status=500),
    post("/send", form={"to": "nobody@b.example", "subject": "refused"}, status=500),
    post("/send", "BadHeaderError", form={**ONE, "subject": "a\nBcc: x@y"}, status=400),
    post("/send", form={}, status=400),
    get("/send", status=405),
    get("/sink", "one of many", "dispatched"),
]
