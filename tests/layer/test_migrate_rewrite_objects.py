"""``migrate rewrite`` and ``check``: what blocks through objects that are passed around."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quart_flask_patch.migrate.rewrite.run import rewrite, write
from quart_flask_patch.migrate.source import check_source

HEAD = """\
import git
import peewee
import requests
from flask import Flask, current_app, render_template
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)

class Item(db.Model):
    pass

"""
Rewrite = Callable[[str, str], str]


@pytest.fixture
def rewritten(tmp_path: Path) -> Rewrite:
    """Return what becomes of a view in a program; hold that a second run changes nothing."""

    def of(program: str, line: str) -> str:
        file = tmp_path / "program.py"
        file.write_text(f"{HEAD}{program}\n{view(line)}", "utf-8")
        write(rewrite(tmp_path, "async", ()).files)
        done = file.read_text("utf-8")
        ast.parse(done)
        assert rewrite(tmp_path, "async", ()).files == []
        return done[done.rindex('@app.get("/")') :]

    return of


def view(line: str) -> str:
    return f'@app.get("/")\ndef index():\n    {line}\n'


STORE = """
class Store:
    def __init__(self, session, name="x"):
        self.session = session

    def item(self):
        return self.session.get(Item, 1)
"""
#: A program, and the line of its view that asks the database.
ASKS_THE_DATABASE = {
    "an object that was given a session": (STORE + "store = Store(db.session)", "store.item()"),
    "by keyword": (STORE + "store = Store(name='y', session=db.session)", "store.item()"),
    "an attribute of the application": (
        STORE + "app.store = Store(db.session)",
        "current_app.store.item()",
    ),
    "an extension": (
        STORE + "app.extensions['store'] = Store(db.session)",
        "current_app.extensions['store'].item()",
    ),
    "a parameter": ("def item(session):\n    session.get(Item, 1)\n", "item(db.session)"),
    "a parameter that is passed on": (
        "def item(session):\n    found(session)\ndef found(s):\n    s.get(Item, 1)\n",
        "item(db.session)",
    ),
    "a parameter with a default": (
        "def item(session=None):\n    session = session or db.session\n    session.get(Item, 1)\n",
        "item()",
    ),
    "an annotation in quotes": (
        (
            "from sqlalchemy.orm import Session\n"
            "def item(session: 'Session | None'):\n    session.get(Item, 1)\n"
        ),
        "item(object)",
    ),
    "a returned annotation": (
        "from sqlalchemy.orm import Session\ndef session() -> Session:\n    return sessions[0]\n",
        "session().get(Item, 1)",
    ),
    "a name of a class": (
        (
            "class Store:\n    session = db.session\n"
            "    def item(self):\n        self.session.get(Item, 1)\n"
        ),
        "Store().item()",
    ),
    "a class in a class": (
        (
            "class Store:\n    class Found(Item):\n        pass\n"
            "    def item(self):\n        return self.Found.query.filter_by(id=1).first()\n"
        ),
        "Store().item()",
    ),
    "a class method": (
        "class Found(Item):\n    @classmethod\n    def one(cls):\n        cls.query.get(1)\n",
        "Found.one()",
    ),
    "a property": (
        "class Store:\n    @property\n    def item(self):\n        return Item.query.first()\n",
        "Store().item",
    ),
    "a `with`": (
        (
            "class Store:\n    def __enter__(self):\n        return Item.query.first()\n"
            "    def __exit__(self, *args):\n        pass\n"
        ),
        "with Store():\n        pass",
    ),
    "results that are gone through": ("", "return [item.id for item in Item.query.filter_by(a=1)]"),
    "a list of results": ("", "return list(Item.query)"),
    "a function that is mapped": (
        "def load(key):\n    return Item.query.get(key)\n",
        "list(map(load, [1]))",
    ),
    "a method of a derived class": (
        (
            "class Store:\n    def item(self):\n        raise NotImplementedError\n"
            "    def both(self):\n        self.item()\n"
            "class Sql(Store):\n    def item(self):\n        Item.query.first()\n"
        ),
        "Sql().both()",
    ),
    "a method of a base class": (
        (
            "class Store:\n    def item(self):\n        Item.query.first()\n"
            "class Sql(Store):\n    def item(self):\n        super().item()\n"
        ),
        "Sql().item()",
    ),
    "one of two": (
        STORE + "if app.debug:\n    store = None\nelse:\n    store = Store(db.session)\n",
        "store.item()",
    ),
    "a name that a function sets": (
        STORE
        + "store = None\ndef setup():\n    global store\n    store = Store(db.session)\nsetup()\n",
        "store.item()",
    ),
    "a model of another library": (
        "class Book(peewee.Model):\n    pass\n",
        "Book.get(Book.id == 1)",
    ),
    "an object that nothing is known of": ("", "app.config['X'].execute('select 1')"),
    "a repository": ("repo = git.Repo('.')\n", "repo.git.log()"),
}


@pytest.mark.parametrize("case", ASKS_THE_DATABASE)
def test_a_view_gets_a_loop_of_its_own_for_what_an_object_does(
    rewritten: Rewrite, case: str
) -> None:
    done = rewritten(*ASKS_THE_DATABASE[case])
    assert '@app.get("/")\n@runs_in("own-loop")\nasync def index' in done


AWAITED = {
    "git, in a helper": (
        (
            "class Storage:\n    def __init__(self):\n        self.repo = git.Repo('.')\n"
            "    def log(self):\n        return self.repo.git.log()\nstorage = Storage()\n"
        ),
        "return storage.log()",
        "return await run_sync(storage.log)()",
    ),
    "a session of requests that a helper was given": (
        (
            "class Prices:\n    def __init__(self, session):\n        self.session = session\n"
            "    def of(self, key):\n        return self.session.get(key)\n"
            "prices = Prices(requests.Session())\n"
        ),
        "return prices.of(1)",
        "return await run_sync(prices.of)(1)",
    ),
    "a class derived from one of a library": (
        "class Api(requests.Session):\n    pass\napi = Api()\n",
        "return api.get('x').text",
        "return (await run_sync(api.get)('x')).text",
    ),
    "a password": (
        "from werkzeug.security import check_password_hash\n",
        "return str(check_password_hash('a', 'b'))",
        "return str(await run_sync(check_password_hash)('a', 'b'))",
    ),
}


@pytest.mark.parametrize("case", AWAITED)
def test_a_helper_that_blocks_is_awaited_whole(rewritten: Rewrite, case: str) -> None:
    program, before, after = AWAITED[case]
    assert rewritten(program, before) == view(after).replace("def", "async def", 1)


HARMLESS = {
    "an object of the same name": (STORE, "session = {}\n    return session.get('x', 'y')"),
    "a coroutine": ("async def ask(session):\n    await session.execute('x')\n", "return 'x'"),
    "two functions that call each other": (
        "def a(x, n=1):\n    b(x)\ndef b(x):\n    a(x)\n    x.get('y')\n",
        "a({})",
    ),
    "a class that is derived from itself": ("class A(A):\n    pass\n", "A().get('x')"),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_does_not_block_is_left_alone(rewritten: Rewrite, case: str) -> None:
    program, line = HARMLESS[case]
    assert rewritten(program, line) == view(line).replace("def", "async def", 1)


@pytest.mark.parametrize(
    "given",
    [
        "app.jinja_env.globals.update(first=first)",
        "app.jinja_env.globals['first'] = first",
        "app.add_template_filter(first)",
        "@app.template_global()\ndef other():\n    first()",
        "@app.context_processor\ndef names():\n    return dict(first=first)",
        "@app.context_processor\ndef names():\n    def a():\n        first()\n    return {'a': a}",
    ],
)
@pytest.mark.parametrize("renders", [True, False])
def test_a_function_of_templates_counts_where_one_is_rendered(
    rewritten: Rewrite, given: str, renders: bool
) -> None:
    program = f"def first():\n    return Item.query.first()\n{given}\n"
    done = rewritten(program, "return render_template('x')" if renders else "return 'x'")
    assert ('@runs_in("own-loop")' in done) is renders


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("return current_user.name", True),
        ("return name()", True),
        ("return render_template('x')", True),
        ("return 'x'", False),
    ],
)
def test_a_user_is_loaded_for_views_that_ask_for_one(
    rewritten: Rewrite, line: str, asks: bool
) -> None:
    program = """
from flask_login import current_user, LoginManager
login_manager = LoginManager(app)

@login_manager.user_loader
def load(key):
    return Item.query.get(key)

def name():
    return current_user.name
"""
    assert ('@runs_in("own-loop")' in rewritten(program, line)) is asks


def test_a_view_that_awaits_another_has_its_place(rewritten: Rewrite) -> None:
    other = '@app.get("/items")\ndef items():\n    return str(Item.query.all())\n'
    between = '@app.get("/all")\ndef every():\n    return items()\n'
    done = rewritten(other + between, "return every()")
    assert done.endswith('@runs_in("own-loop")\nasync def index():\n    return await every()\n')


def test_names_are_followed_through_stars(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(
        "from flask_sqlalchemy import SQLAlchemy\ndb = SQLAlchemy()\n"
        "class Item(db.Model):\n    pass\n",
        "utf-8",
    )
    (tmp_path / "shop.py").write_text(
        "from flask import Flask\nfrom models import *\napp = Flask(__name__)\n", "utf-8"
    )
    file = tmp_path / "views.py"
    line = "return str(Item.query.all())"
    file.write_text(f"from shop import app, Item\n{view(line)}", "utf-8")
    write(rewrite(tmp_path, "async", ()).files)
    assert '@runs_in("own-loop")' in file.read_text("utf-8")


def test_check_follows_them_too(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    program = f"{STORE}store = Store(db.session)\n" + view("store.item()").replace(
        "def", "async def"
    )
    file.write_text(HEAD + program, "utf-8")
    (found,) = [each for each in check_source(file)[0] if each.code == "blocking-call"]
    assert found.what.startswith("self.session.get(...) waits for the database")
    assert "in index -> item" in found.what


# --- As the layer sees it ------------------------------------------------------------------------

WIKI = """
import sqlite3
import subprocess
import sys
from flask import Flask, g, render_template_string

app = Flask(__name__)

class Pages:
    def __init__(self, connect):
        self.connect = connect

    @property
    def first(self):
        return self.ask("select 'first'")

    def ask(self, text):
        connection = self.connect()
        try:
            return connection.cursor().execute(text).fetchone()[0]
        finally:
            connection.close()

class Storage:
    def revision(self):
        done = subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True, text=True)
        return done.stdout.strip()

class Wiki:
    def __init__(self, pages, storage):
        self.pages, self.storage = pages, storage

    def shown(self):
        return self.pages.first

wiki = Wiki(Pages(lambda: sqlite3.connect(":memory:")), Storage())
app.jinja_env.globals["wiki_name"] = lambda: "wiki"

@app.template_global()
def count():
    return wiki.pages.ask("select 2")

@app.get("/page")
def page():
    return wiki.shown()

@app.get("/")
def index():
    return page()

@app.get("/revision")
def revision():
    return wiki.storage.revision()

@app.get("/rendered")
def rendered():
    return render_template_string("{{ count() }}")

@app.get("/static-page")
def plain():
    return "plain"
"""
SUITE = """
import naive
import pytest
import wiki

@pytest.mark.parametrize("name", ["naive", "wiki"])
@pytest.mark.parametrize(("path", "text"), [
    ("/page", "first"), ("/", "first"), ("/revision", "7"), ("/rendered", "2"),
    ("/static-page", "plain"),
])
def test_page(name, path, text):
    app = {"naive": naive, "wiki": wiki}[name].app
    assert app.test_client().get(path).text == text
"""


def test_nothing_of_a_rewritten_suite_blocks(tmp_path: Path) -> None:
    """And all of it blocks in views that are only made async."""
    file = tmp_path / "wiki.py"
    file.write_text(WIKI, "utf-8")
    outcome = rewrite(tmp_path, "async", ())
    write(outcome.files)
    naive = WIKI.replace(")\ndef ", ")\nasync def ").replace("async def count", "def count")
    naive = naive.replace("return page()", "return await page()")
    (tmp_path / "naive.py").write_text(naive, "utf-8")
    (tmp_path / "test_wiki.py").write_text(SUITE, "utf-8")
    said = watched(tmp_path)
    assert "4 failed, 6 passed" in said
    assert len(re.findall(r"(?m)^FAILED .*-naive\]", said)) == 4
    places = {found.name: found.runs_in for found in outcome.views}
    assert places == {
        **dict.fromkeys(("page", "index", "rendered"), "own-loop"),
        **dict.fromkeys(("revision", "plain"), "loop"),
    }


def watched(folder: Path) -> str:
    # What takes long on a busy machine is not what is asked for.
    options = ["--fail-on-blocking", "--blocking-seconds", "30", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "quart_flask_patch.pytest_plugin"]
    done = subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr
