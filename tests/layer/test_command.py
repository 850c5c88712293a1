"""``python -m quart_flask_patch`` is the ``flask`` command."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

APP = """
import click
from flask import Blueprint, current_app, Flask, g, jsonify
from flask.cli import AppGroup, with_appcontext


def create_app(name="plain", *, suffix=""):
    app = Flask(name)
    app.config["NAME"] = name + suffix

    @app.get("/<int:number>")
    def numbered(number):
        return str(number)

    @app.post("/async")
    async def asynchronous():
        return ""

    @app.cli.command("tell")
    @click.option("--times", default=1)
    def tell(times):
        click.echo(f"{current_app.config['NAME']} " * times)
        click.echo(type(current_app._get_current_object()).__module__)

    @app.cli.command("ask")
    def ask():
        client = current_app.test_client()
        click.echo(client.get("/7").text + client.post("/async").text)

    async def fetch():
        return current_app.config["NAME"]

    @app.cli.command("fetch")
    @click.option("--times", default=1)
    async def fetch_command(times):
        click.echo(await fetch() * times)

    @app.cli.command("alone", with_appcontext=False)
    async def alone():
        click.echo("alone")

    @app.cli.group("nested")
    def nested():
        pass

    @nested.command("fetch")
    async def nested_fetch():
        click.echo(await fetch())

    group = AppGroup("group")
    group.add_command(nested_fetch, "fetch")

    @group.command("own")
    async def own():
        click.echo(await fetch())

    app.cli.add_command(group)
    blueprint = Blueprint("news", __name__)

    @blueprint.cli.command("fetch")
    async def of_blueprint():
        click.echo(await fetch())

    app.register_blueprint(blueprint)

    @click.command("bare")
    @with_appcontext
    async def bare():
        click.echo(await fetch())

    app.cli.add_command(bare)

    @app.shell_context_processor
    def names():
        return {"answer": 42}

    return app
"""


#: The module of an application's class.
LAYER = "quart_flask_patch.app"


class Shell:
    """Runs the command in a folder that has the application."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "QUART_"))
        }

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def __call__(self, *arguments: str, input: str = "", **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "quart_flask_patch", *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        self.errors = done.stderr
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.write("shop.py", APP)
    return shell


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop", "plain"),
        ("shop:create_app", "plain"),
        ("shop:create_app()", "plain"),
        ("shop.py:create_app('given')", "given"),
        ("shop:create_app('given', suffix='!')", "given!"),
    ],
)
def test_the_application_from_the_environment(shell: Shell, name: str, expected: str) -> None:
    assert shell("tell", FLASK_APP=name).split() == [expected, LAYER]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fetch --times 2", "plainplain"),
        ("alone", "alone"),
        ("nested fetch", "plain"),
        ("group fetch", "plain"),
        ("group own", "plain"),
        ("news fetch", "plain"),
        ("bare", "plain"),
    ],
)
def test_commands_may_be_async(shell: Shell, command: str, said: str) -> None:
    assert shell("--app", "shop", *command.split()) == f"{said}\n"
    assert shell.errors == ""


def test_version_names_all_that_serves(shell: Shell) -> None:
    names = [line.split()[0] for line in shell("--version").splitlines()]
    assert {"Python", "Quart", "Quart-Flask-Patch", "Flask", "Werkzeug", "greenlet"} <= set(names)


def test_the_application_from_dotenv_files(shell: Shell) -> None:
    pytest.importorskip("dotenv")
    shell.write(".flaskenv", "FLASK_APP=shop:create_app('public')\nFLASK_TELL_TIMES=2\n")
    assert shell("tell").split() == ["public", "public", LAYER]
    shell.write(".env", "FLASK_APP=shop:create_app('secret')\n")
    assert shell("tell").split()[0] == "secret"
    assert shell("tell", FLASK_APP="shop").split()[0] == "plain"
    shell.write("other.env", "FLASK_APP=shop:create_app('other')\n")
    assert shell("--env-file", "other.env", "tell").split()[0] == "other"


def test_the_application_is_found_by_its_file(shell: Shell) -> None:
    shell.write("app.py", "import shop\n\napp = shop.create_app('found')\n")
    assert shell("tell").split()[0] == "found"


def test_an_application_that_is_not_found(shell: Shell) -> None:
    with pytest.raises(AssertionError, match="Could not import 'nowhere'"):
        shell("--app", "nowhere", "routes")
    assert "Traceback" not in shell.errors


def test_routes(shell: Shell) -> None:
    lines = shell("--app", "shop", "routes", "--sort", "rule").splitlines()
    rows = {tuple(line.split()) for line in lines}
    assert ("numbered", "GET", "/<int:number>") in rows
    assert ("asynchronous", "POST", "/async") in rows


def test_a_command_with_options(shell: Shell) -> None:
    output = shell("--app", "shop:create_app('given')", "tell", "--times", "2")
    assert output.split() == ["given", "given", LAYER]


def test_a_command_may_make_requests(shell: Shell) -> None:
    assert shell("--app", "shop", "ask").strip() == "7"


def test_shell(shell: Shell) -> None:
    code = """
    print("answer is", answer)
    print(app.test_client().get("/3").text, "and", current_app.config["NAME"])
    """
    code = "from flask import current_app\n" + textwrap.dedent(code)
    output = shell("--app", "shop:create_app('mine')", "shell", input=code)
    assert "answer is 42" in output
    assert "3 and mine" in output


def test_help_and_version(shell: Shell) -> None:
    listed = shell("--app", "shop", "--help")
    assert {"routes", "run", "shell", "tell"} <= set(listed.split())
    assert f"Flask {version('flask')}" in shell("--version")


def test_debug(shell: Shell) -> None:
    code = "print('debug is', app.debug)\n"
    assert "debug is True" in shell("--app", "shop", "--debug", "shell", input=code)
    assert "debug is False" in shell("--app", "shop", "shell", input=code)


MODELS = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate()


class Note(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    text = db.Column(db.String(100))
    # Column


def create_app(file):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{file}"
    db.init_app(app)
    migrate.init_app(app, db)

    @app.cli.command("columns")
    def columns():
        print(*(column["name"] for column in db.inspect(db.engine).get_columns("note")))

    return app
"""


@pytest.mark.timeout(300)  # Half a dozen processes.
def test_migrations(shell: Shell) -> None:
    pytest.importorskip("flask_migrate")
    shell.write("notes.py", MODELS)
    file = (shell.folder / "notes.db").as_posix()
    app = {"FLASK_APP": f"notes:create_app({file!r})"}
    shell("db", "init", **app)
    shell("db", "migrate", "-m", "first", **app)
    shell("db", "upgrade", **app)
    assert shell("columns", **app).split() == ["id", "text"]
    assert "first" in shell("db", "history", **app)

    shell.write("notes.py", MODELS.replace("# Column", "more = db.Column(db.Integer)"))
    shell("db", "migrate", "-m", "second", **app)
    shell("db", "upgrade", **app)
    assert shell("columns", **app).split() == ["id", "text", "more"]
    shell("db", "downgrade", **app)
    assert shell("columns", **app).split() == ["id", "text"]
