"""Views, each with one call that blocks for a while. What the calls ask is in `SLOW`."""

import os
import pathlib
import queue
import select
import smtplib
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from subprocess import check_output
from time import sleep

import httpx
import requests
from flask import Blueprint, Flask, g, Response
from flask.views import MethodView
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event, text

NAP = 0.12
#: A server that answers after a while: `http`, `host`, `port`, `fifo` come from the test.
SLOW = {}

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy(app)
shop = Blueprint("shop", __name__, url_prefix="/shop")
session = requests.Session()
session.trust_env = False
# Made here, as it reads certificates for a while.
client = httpx.Client(trust_env=False)
workers = ThreadPoolExecutor()


def sleepy(connection):
    connection.create_function("nap", 0, lambda: time.sleep(NAP))
    return connection


with app.app_context():

    @event.listens_for(db.engine, "connect")
    def connected(connection, record):
        sleepy(connection)


# --- what sleeps ---------------------------------------------------------------------------------


@app.get("/1")
def sleeps():
    time.sleep(NAP)
    return "done"


@app.get("/2")
def sleeps_by_another_name():
    sleep(NAP)
    return "done"


def nap(value="done"):
    time.sleep(NAP)
    return value


@app.get("/3")
def helper():
    return nap()


def outer():
    return nap()


@app.get("/4")
def deep():
    return outer()


@app.get("/5")
def walrus():
    if (found := nap()) and found:
        return found
    return ""


@app.get("/6")
def in_a_string():
    return f"{nap():>4}"


@app.get("/7")
def comprehension():
    return "".join([nap(letter) for letter in "done"])


@app.get("/8")
def lazily():
    return "".join(nap(letter) for letter in "done")


@app.get("/9")
def by_key():
    return "".join(sorted("d", key=lambda letter: nap(letter))) + "one"


@app.get("/10")
def finally_():
    try:
        return "done"
    finally:
        nap()


@app.get("/11")
def nested():
    def inner():
        return nap()

    return inner()


@app.get("/12")
def streamed():
    def pieces():
        yield "do"
        time.sleep(NAP)
        yield "ne"

    return Response(pieces())


def logged(view):
    @wraps(view)
    def wrapper(*args, **kwargs):
        nap()
        return view(*args, **kwargs)

    return wrapper


@app.get("/13")
@logged
def decorated():
    return "done"


@shop.before_request
def first():
    nap()


@shop.get("/14")
def hooked():
    return "done"


class Methods(MethodView):
    def get(self):
        return self.load()

    def load(self):
        return nap()


app.add_url_rule("/15", view_func=Methods.as_view("methods"))


# --- the network ---------------------------------------------------------------------------------


@app.get("/16")
def http():
    return requests.get(SLOW["http"], proxies={"http": ""}).text


@app.get("/17")
def http_session():
    return session.get(SLOW["http"]).text


@app.get("/18")
def http_client():
    return client.get(SLOW["http"]).text


@app.get("/19")
def opened():
    with urllib.request.urlopen(SLOW["http"]) as answer:
        return answer.read()


@app.get("/20")
def mail():
    try:
        with smtplib.SMTP(SLOW["host"], SLOW["port"], timeout=NAP):
            return ""
    except OSError:
        return "done"


@app.get("/21")
def received():
    connection = socket.socket()
    connection.connect((SLOW["host"], SLOW["port"]))
    connection.settimeout(NAP)
    try:
        return connection.recv(1)
    except TimeoutError:
        return "done"
    finally:
        connection.close()


# --- processes and threads -----------------------------------------------------------------------


@app.get("/22")
def process():
    subprocess.run(["sleep", str(NAP)], check=True)
    return "done"


@app.get("/23")
def process_output():
    return check_output(["sh", "-c", f"sleep {NAP}; printf done"], text=True)


@app.get("/24")
def shell():
    os.system(f"sleep {NAP}")
    return "done"


@app.get("/25")
def waits_for_an_event():
    event = threading.Event()
    event.wait(NAP)
    return "done"


@app.get("/26")
def waits_for_a_queue():
    items = queue.Queue()
    try:
        return items.get(timeout=NAP)
    except queue.Empty:
        return "done"


@app.get("/27")
def waits_for_a_future():
    future = workers.submit(nap)
    return future.result()


@app.get("/28")
def selects():
    select.select([], [], [], NAP)
    return "done"


# --- files and databases -------------------------------------------------------------------------


@app.get("/29")
def file():
    return pathlib.Path(SLOW["fifo"]).read_text()


@app.get("/30")
def flask_sqlalchemy():
    db.session.execute(text("SELECT nap()"))
    return "done"


@app.get("/31")
def driver():
    if "connection" not in g:
        g.connection = sleepy(sqlite3.connect(":memory:"))
    g.connection.execute("SELECT nap()")
    return "done"


@app.teardown_appcontext
def close(error):
    if "connection" in g:
        g.pop("connection").close()


app.register_blueprint(shop)
