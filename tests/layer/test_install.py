"""How the layer comes into place: in processes of their own, since it comes only once in each."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FLAGS = ("-W", "error")


def run_script(source: str, tmp_path: Path, *flags: str) -> str:
    """Run *source* as a script, warnings being errors, and return what it printed."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *(flags or FLAGS), str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_nothing_of_asyncio_is_patched(tmp_path: Path) -> None:
    run_script(
        """
        import asyncio, sys, types

        def names():
            found = {}
            for module in [m for n, m in sys.modules.items() if n.split(".")[0] == "asyncio"]:
                for name, value in vars(module).items():
                    found[module.__name__, name] = value
                    if isinstance(value, type) and value.__module__.startswith(("asyncio", "_as")):
                        for attribute, member in vars(value).items():
                            found[value.__module__, value.__qualname__, attribute] = member
            return found

        before = names()
        policy = asyncio.get_event_loop_policy()
        task, future = asyncio.Task, asyncio.Future
        before["asyncio.events", "_event_loop_policy"] = policy
        import quart.flask_patch
        from flask import Flask

        app = Flask(__name__)
        app.add_url_rule("/", "view", lambda: "ok")
        assert app.test_client().get("/").text == "ok"
        after = names()
        changed = [n for n, value in before.items() if after.get(n) is not value]
        # A descriptor or an annotation may be made anew, and import adds submodules.
        assert changed == [], changed
        assert asyncio.get_event_loop_policy() is policy
        assert (asyncio.Task, asyncio.Future) == (task, future)
        assert task.__module__ == "_asyncio"
        """,
        tmp_path,
    )


@pytest.mark.parametrize("name", ["quart.flask_patch", "quart_flask_patch"])
def test_either_name_puts_it_in_place(tmp_path: Path, name: str) -> None:
    run_script(
        f"""
        import sys
        import {name}
        import quart_flask_patch
        import flask
        from quart import Quart

        assert flask is quart_flask_patch is sys.modules["flask"]
        assert issubclass(flask.Flask, Quart)
        import flask.app, flask.views, flask.ctx
        assert flask.app.Flask is flask.Flask
        """,
        tmp_path,
    )


def test_what_was_imported_before_is_replaced(tmp_path: Path) -> None:
    run_script(
        """
        from flask import Flask, Blueprint, Request, request, current_app, g, session
        import flask

        # Names of modules are replaced, what is in a list is not.
        earlier, before = flask, [Flask]
        import quart.flask_patch
        from quart import Quart

        assert Flask is not before[0]
        assert issubclass(Flask, Quart) and issubclass(Flask, before[0])
        assert earlier.Flask is Flask
        assert isinstance(Flask(__name__), before[0])

        app = Flask(__name__)
        app.secret_key = "secret"

        @app.route("/", methods=["POST"])
        async def view():
            g.value = session["value"] = request.get_json()
            assert isinstance(request._get_current_object(), Request)
            return [current_app.name, g.value]

        assert app.test_client().post("/", json=1).json == [app.name, 1]
        """,
        tmp_path,
    )


def test_the_log_says_at_debug_what_was_replaced_where(tmp_path: Path) -> None:
    output = run_script(
        """
        import logging
        from flask import Flask as Renamed

        original = Renamed.full_dispatch_request

        def full_dispatch_request(self, *args):
            return original(self, *args)

        Renamed.full_dispatch_request = full_dispatch_request
        logging.basicConfig()
        logging.getLogger("quart_flask_patch").setLevel("DEBUG")
        import quart.flask_patch
        """,
        tmp_path,
    )
    start = "DEBUG:quart_flask_patch:"
    new = "by <class 'quart_flask_patch.app.Flask'>"
    assert f"{start}Replaced __main__.Renamed {new}" in output.splitlines()
    assert f"{start}Replaced flask.app.Flask {new}" in output.splitlines()
    assert f"{start}Carried over Flask.full_dispatch_request: <function full_dispatch_" in output


def test_an_extension_imported_before_works(tmp_path: Path) -> None:
    run_script(
        """
        from flask_login import (
            LoginManager, UserMixin, current_user, login_required, login_user, logout_user
        )
        import quart.flask_patch
        import asyncio
        from flask import Flask

        app = Flask(__name__)
        app.secret_key = "secret"
        manager = LoginManager(app)

        class User(UserMixin):
            id = "me"

        @manager.user_loader
        def load(name):
            return User() if name == "me" else None

        @app.get("/login")
        async def login():
            return str(login_user(User()))

        @app.get("/")
        @login_required
        async def view():
            await asyncio.sleep(0)
            return current_user.id

        @app.get("/sync")
        @login_required
        def sync_view():
            return current_user.id

        client = app.test_client()
        assert [client.get(path).status_code for path in ("/", "/sync")] == [401, 401]
        assert client.get("/login").text == "True"
        assert [client.get(path).text for path in ("/", "/sync")] == ["me", "me"]
        """,
        tmp_path,
        # Flask-Login itself uses what Python deprecates.
        "-W",
        "error::RuntimeWarning",
    )


def test_a_class_derived_before_is_reported_by_name(tmp_path: Path) -> None:
    output = run_script(
        """
        from flask import Flask

        class Mine(Flask):
            class Inner(Flask):
                pass

        import quart.flask_patch
        """,
        tmp_path,
        "-W",
        "default",
    )
    assert "RuntimeWarning: Subclassed from flask.Flask before quart.flask_patch" in output
    assert "__main__.Mine.Inner, __main__.Mine. Import quart.flask_patch first" in output


def test_without_the_layer_flask_is_flask(tmp_path: Path) -> None:
    run_script(
        """
        import sys
        import quart
        import flask

        assert "quart_flask_patch" not in sys.modules
        assert not issubclass(flask.Flask, quart.Quart)
        app = flask.Flask(__name__)
        app.add_url_rule("/", "view", lambda: "ok")
        assert app.test_client().get("/").text == "ok"
        """,
        tmp_path,
    )


def test_every_name_of_flask_is_there(tmp_path: Path) -> None:
    run_script(
        """
        import importlib, pkgutil, subprocess, sys

        # What each module of the genuine one has, before anything of the layer is there.
        import flask
        names = {"flask": set(vars(flask))}
        for module in pkgutil.walk_packages(flask.__path__, "flask."):
            if not module.name.endswith("__main__"):
                names[module.name] = set(vars(importlib.import_module(module.name)))

        import quart.flask_patch
        for module, expected in names.items():
            missing = expected - set(vars(importlib.import_module(module)))
            missing -= {"__builtins__", "__cached__"}
            assert not missing, (module, missing)
            for name in expected:
                if name.isidentifier() and not name.startswith("__"):
                    exec(f"from {module} import {name}")
        """,
        tmp_path,
    )


#: The development server with its protocols, commands, test clients, and what these import.
NOT_FOR_A_PAGE = """
    aiofiles bdb click.testing flask.testing h11 h2 hpack hypercorn multiprocessing pdb
    quart._serving.reloader quart._serving.server quart._serving.server_config
    quart._watching.report quart.debug quart.testing quart_flask_patch._watching.watch
    quart_flask_patch.contrib quart_flask_patch.migrate tomllib wsgiref wsproto
"""


@pytest.mark.parametrize("statement", ["import quart", "import quart.flask_patch, flask"])
def test_an_import_brings_nothing_that_no_page_needs(statement: str, tmp_path: Path) -> None:
    run_script(
        f"""
        {statement}
        import sys

        found = sys.modules.keys() & set({NOT_FOR_A_PAGE.split()})
        assert not found, found
        """,
        tmp_path,
    )


def test_what_is_imported_when_it_is_asked_for_is_there(tmp_path: Path) -> None:
    run_script(
        """
        import quart.flask_patch
        from flask import testing
        import flask
        import flask.testing

        assert flask.testing is testing
        assert isinstance(flask.Flask("app").test_client(), testing.FlaskClient)
        """,
        tmp_path,
    )


def test_early_applications_are_looked_for_where_there_may_be_some(tmp_path: Path) -> None:
    """To look through all objects takes as long as importing twenty modules."""
    run_script(
        """
        import gc

        look = gc.get_referrers
        gc.get_referrers = lambda *args: 1 / 0
        import quart.flask_patch
        from quart_flask_patch import _earlier, genuine

        found = [genuine.Flask("early")]
        gc.get_referrers = look
        assert _earlier.early_applications() == found
        found.clear()
        gc.get_referrers = None
        assert _earlier.early_applications() == []
        """,
        tmp_path,
    )
