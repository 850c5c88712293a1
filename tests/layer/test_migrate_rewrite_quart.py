"""``migrate rewrite --to quart``: a code base leaves the layer, its tests with it."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from quart_flask_patch.migrate.rewrite.outcome import Outcome
from quart_flask_patch.migrate.rewrite.run import rewrite, write

APP = """
import quart_flask_patch
import functools
import requests
from flask import Flask, current_app, render_template, request
from quart_flask_patch import runs_in, wait

app = Flask(__name__)

"""


class Left:
    """A code base before and after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outcome = Outcome("quart")

    def __call__(self, **files: str) -> dict[str, str]:
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")
        self.outcome = rewrite(self.folder, "quart", ())
        write(self.outcome.files)
        assert rewrite(self.folder, "quart", ()).files == []
        done = {name: (self.folder / f"{name}.py").read_text("utf-8") for name in files}
        for text in done.values():
            ast.parse(text)
        return done

    def codes(self) -> list[str]:
        return [finding.code for finding in self.outcome.left]


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_imports_are_those_of_the_core(left: Left) -> None:
    done = left(
        shop="""
        import flask
        import quart.flask_patch
        from flask import (
            Flask,  # the class
            g,
        )
        from flask.testing import FlaskClient
        from flask.views import MethodView

        app: Flask = Flask(__name__)
        other = flask.Flask(flask.g.name)

        class Shop:
            client: "FlaskClient" = None

        def closed(app: "Flask", client: FlaskClient, kind: str = "Flask"):
            return flask.testing.FlaskClient(app)
        """
    )["shop"]
    assert done == textwrap.dedent("""
        import quart
        from quart import (
            Quart,  # the class
            g,
        )
        from quart.testing import QuartClient
        from quart.views import MethodView

        app: Quart = Quart(__name__)
        other = quart.Quart(quart.g.name)

        class Shop:
            client: "QuartClient" = None

        def closed(app: "Quart", client: QuartClient, kind: str = "Flask"):
            return quart.testing.QuartClient(app)
        """)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"Flask | None"', '"Quart | None"'),
        ("'list[Flask]'", "'list[Quart]'"),
        ('"dict[str, Flask | flask.Response]"', '"dict[str, Quart | quart.Response]"'),
        ('"flask.Flask | None"', '"quart.Quart | None"'),
        ("\"Optional['Flask']\"", "\"Optional['Quart']\""),
        ('list["Flask"]', 'list["Quart"]'),
        ('"tuple[Flask, Flask]"', '"tuple[Quart, Quart]"'),
        ('"Callable[[Flask], Response]"', '"Callable[[Quart], Response]"'),
        ('Literal["Flask"]', 'Literal["Flask"]'),
        ("\"Literal['Flask'] | Flask\"", "\"Literal['Flask'] | Quart\""),
        ('Annotated["Flask", "Flask"]', 'Annotated["Quart", "Flask"]'),
        ('"Flask or so, of the shop"', '"Flask or so, of the shop"'),
        ('"Flasks"', '"Flasks"'),
    ],
)
def test_names_in_quoted_annotations_are_those_of_the_core(
    left: Left, before: str, after: str
) -> None:
    program = """
from flask import Flask, Response

def made(app: {0}, *apps: {0}) -> {0}:
    other: {0} = cast({0}, app)
    return other
"""
    head = "\nfrom quart import Quart, Response\n"
    imported = "import flask\n" if "flask." in before else ""
    done = left(shop=imported + program.format(before))["shop"]
    expected = program.format(after).replace("\nfrom flask import Flask, Response\n", head)
    assert done == imported.replace("flask", "quart") + expected


def test_what_a_quoted_annotation_names_is_awaited(left: Left) -> None:
    done = left(
        test_shop="""
        from flask import Response

        def told(response: "Response | None") -> bytes:
            return response.get_data()
        """
    )["test_shop"]
    assert "async def told(" in done
    assert "return await response.get_data()" in done


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return render_template('x')", "return await render_template('x')"),
        ("x = request.form['a']", "x = (await request.form)['a']"),
        ("request.get_json()['a']", "(await request.get_json())['a']"),
        ("request.json.get('a')", "(await request.json).get('a')"),
        ("request.args.get('a')", "request.args.get('a')"),
        ("x = wait(load())", "x = await load()"),
        (
            "with current_app.open_resource('x') as f:\n    return f.read()",
            "async with await current_app.open_resource('x') as f:\n    return await f.read()",
        ),
        ("requests.get(u).text", "(await run_sync(requests.get)(u)).text"),
    ],
)
def test_what_the_core_has_as_async_is_awaited(left: Left, before: str, after: str) -> None:
    view = '@app.get("/")\n@runs_in("own-loop")\ndef index():\n'
    done = left(shop=APP + view + textwrap.indent(before, "    ") + "\n")["shop"]
    expected = '@app.get("/")\nasync def index():\n' + textwrap.indent(after, "    ") + "\n"
    assert done.endswith(expected)
    assert "flask" not in done


def test_async_follows_the_calls_up_to_the_view(left: Left) -> None:
    done = left(
        helpers="""
        from flask import render_template, request

        def page(name):
            return render_template(name, field=field())

        def field():
            return request.form["field"]

        def untouched():
            return request.path
        """,
        shop=APP
        + """
        from helpers import page

        def guarded(view):
            @functools.wraps(view)
            def wrapper(*args):
                return view(*args)
            return wrapper

        @app.get("/")
        @guarded
        def index():
            return page("index.html")
        """.replace("\n        ", "\n"),
    )
    assert (
        "async def page(name):\n    return await render_template(name, field=await field())"
        in (done["helpers"])
    )
    assert "async def field():\n" in done["helpers"]
    assert "\ndef untouched():\n" in done["helpers"]
    assert "    async def wrapper(*args):\n        return await view(*args)\n" in done["shop"]
    assert 'async def index():\n    return await page("index.html")\n' in done["shop"]


def test_tests_await_the_client_and_what_it_gives(left: Left) -> None:
    done = left(
        shop=APP,
        conftest="""
        import pytest
        from shop import app as the_app

        @pytest.fixture
        def app():
            with the_app.app_context():
                yield the_app

        @pytest.fixture
        def client(app):
            return app.test_client()
        """,
        test_shop="""
        def log_in(client):
            return client.post("/in", data={"name": "a"}, follow_redirects=True)

        def test_page(client):
            response = log_in(client)
            assert b"a" in response.data
            with client.session_transaction() as session:
                session["a"] = 1
            assert client.get("/").get_json()["a"] == 1

        def test_nothing():
            assert 1 + 1 == 2
        """,
    )
    assert "async def app():\n    async with the_app.app_context():\n" in done["conftest"]
    assert "\ndef client(app):\n" in done["conftest"]
    tests = done["test_shop"]
    assert 'return await client.post("/in", form={"name": "a"}, follow_redirects=True)' in tests
    assert "response = await log_in(client)\n" in tests
    assert 'assert b"a" in await response.data\n' in tests
    assert "async with client.session_transaction() as session:\n" in tests
    assert '(await (await client.get("/")).get_json())["a"]' in tests
    assert "\ndef test_nothing():" in tests


def test_a_command_has_a_loop_and_a_fake_is_awaited_too(left: Left) -> None:
    done = left(
        shop=APP
        + """
        import click

        def init():
            with current_app.open_resource("x") as file:
                file.read()

        @click.command("init")
        def init_command():
            init()
        """.replace("\n        ", "\n"),
        test_shop="""
        def test_init(monkeypatch):
            def fake():
                pass

            monkeypatch.setattr("shop.init", fake)
        """,
    )
    assert '@click.command("init")\n@with_appcontext\nasync def init_command():\n' in done["shop"]
    assert "from quart.cli import with_appcontext\n" in done["shop"]
    assert "    async def fake():" in done["test_shop"]


def test_what_holds_a_code_base_back_is_named(left: Left) -> None:
    left(
        shop=APP
        + """
        from flask import debughelpers
        from flask_login import login_required
        from flask_sqlalchemy import SQLAlchemy

        db = SQLAlchemy(app)
        TITLE = render_template("title")

        @app.get("/")
        def index():
            db.session.commit()
            return sorted([], key=lambda x: request.form[x])
        """.replace("\n        ", "\n")
    )
    assert sorted(left.codes()) == [
        *["extension-of-flask"] * 2,
        "holds-the-loop",
        *["no-await-here"] * 2,
        "no-such-name",
    ]


DISPATCHES = """
from flask.views import View

class Item(View):
    methods = ["GET", "POST"]

    def dispatch_request(self, key):
        method = getattr(self, request.method.lower())
        return method(key)

class Book(Item):
    def get(self, key):
        return render_template("book", key=key)

app.add_url_rule("/<key>", view_func=Book.as_view("book"))
"""


def test_a_class_that_calls_its_methods_by_name_awaits_them(left: Left) -> None:
    done = left(shop=APP + DISPATCHES)["shop"]
    assert "    async def get(self, key):\n        return await render_template" in done
    assert "    async def dispatch_request(self, key):\n" in done
    assert "        return await method(key)\n" in done


@pytest.mark.parametrize(
    ("data", "is_clear"),
    [
        ('json.dumps({"a": 1})', True),
        ("body", True),
        ('f"{client}"', True),
        ('"a".encode()', True),
        ("urllib.parse.urlencode({})", True),
        ("made()", False),
    ],
)
def test_what_may_be_a_form_is_asked_about(left: Left, data: str, is_clear: bool) -> None:
    left(
        shop=APP,
        test_shop=f"""
        import json
        import urllib.parse
        from shop import app
        from elsewhere import made

        def test_post():
            client = app.test_client()
            body = json.dumps([])
            client.post("/", data={data})
        """,
    )
    assert left.codes() == ([] if is_clear else ["form-or-bytes"])
