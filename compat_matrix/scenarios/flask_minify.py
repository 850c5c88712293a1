"""Flask-Minify: pages, scripts and styles made smaller on their way out."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from flask import Blueprint, Flask, render_template_string, Response
from flask.typing import ResponseReturnValue
from flask_minify import decorators, Minify

from compat_matrix.scenarios._exchange import get, Named, request as send

PAGE = """<!doctype html>
<html>
  <head>
    <!-- a comment -->
    <style>
      body   { color : red; }
    </style>
    <script>
      // says hello
      var  greeting  =  "{{ greeting }}" ;
      alert( greeting ) ;
    </script>
  </head>
  <body>
    <p>   {{ greeting }}   </p>
    <pre>  stays   as it is </pre>
  </body>
</html>
"""
SCRIPT = "// comment\nfunction add ( a , b ) {\n    return a + b ;\n}\n"
STYLE = "/* comment */\nbody {\n    color : red ;\n}\n"

pages = Blueprint("pages", __name__)


@pages.get("/")
def home() -> ResponseReturnValue:
    return render_template_string(PAGE, greeting="hello")


@pages.get("/async/<greeting>")
async def home_async(greeting: str) -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return render_template_string(PAGE, greeting=greeting)


@pages.get("/bypassed")
def bypassed() -> ResponseReturnValue:
    return render_template_string(PAGE, greeting="as it was")


@pages.get("/script.js")
def script() -> ResponseReturnValue:
    return SCRIPT, {"Content-Type": "application/javascript; charset=utf-8"}


@pages.get("/style.css")
def style() -> ResponseReturnValue:
    return STYLE, {"Content-Type": "text/css; charset=utf-8"}


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    return Response((f"<p>  {number}  </p>\n" for number in range(50)), mimetype="text/html")


@pages.get("/json")
def json() -> ResponseReturnValue:
    return {"html": PAGE}


@pages.get("/text")
def text() -> ResponseReturnValue:
    return "a   b\n", {"Content-Type": "text/plain"}


@pages.get("/decorated")
@decorators.minify(html=True, js=True, cssless=True)
def decorated() -> ResponseReturnValue:
    return PAGE


@pages.app_errorhandler(404)
def not_found(error: Exception) -> ResponseReturnValue:
    return f"<html>\n  <body>\n    <!-- {error} -->\n    <p>not here</p>\n  </body>\n</html>", 404


def create_app() -> Flask:
    folder = Path(tempfile.mkdtemp())
    (folder / "app.js").write_text(SCRIPT)
    (folder / "app.css").write_text(STYLE)
    app = Flask(__name__, static_folder=folder, static_url_path="/static")
    app.register_blueprint(pages)
    Minify(app, html=True, js=True, cssless=True, bypass=["pages.bypassed"])
    return app


DIFFERENCES = [
    Named("written at", r"(?<=^last-modified: ).*$"),
    Named("tag of the file", r"(?<=^etag: ).*$"),
]

EXCHANGES = [
    get("/", "<p>"),
    get("/"),
    get("/async/moin", "moin"),
    get("/async/moin"),
    get("/bypassed", "    <!-- a comment -->"),
    get("/script.js", "return a+b"),
    get("/style.css", "color:red"),
    get("/static/app.js", "return a+b"),
    get("/static/app.css", "color:red"),
    get("/static/app.css", headers={"Range": "bytes=0-4"}, status=206),
    get("/stream"),
    get("/json", "    <!-- a comment -->"),
    get("/text", "a   b"),
    get("/decorated"),
    get("/none", "not here", status=404),
    send("HEAD", "/"),
    send("POST", "/", status=405),
    send("OPTIONS", "/"),
]
