"""``migrate rewrite --to async``: what becomes of a view, and what of the rest stays as it was."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quart_flask_patch.migrate.command import migrate
from quart_flask_patch.migrate.rewrite.run import rewrite, write

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"

HEAD = """\
import subprocess
import time

import requests
from flask import Flask, request
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)


def load(key):
    time.sleep(0.1)
    return key

"""

Rewrite = Callable[[str], str]


@pytest.fixture
def rewritten(tmp_path: Path) -> Rewrite:
    """Return what becomes of a program; hold that a second run changes nothing."""

    def of(program: str) -> str:
        file = tmp_path / "program.py"
        file.write_text(program, "utf-8")
        write(rewrite(tmp_path, "async", ()).files)
        done = file.read_text("utf-8")
        ast.parse(done)
        assert rewrite(tmp_path, "async", ()).files == []
        return done

    return of


def view(*lines: str) -> str:
    return '@app.get("/")\ndef index():\n' + textwrap.indent("\n".join(lines), "    ") + "\n"


def async_view(*lines: str, apart: bool = False) -> str:
    decorated = '@runs_in("own-loop")\nasync def' if apart else "async def"
    return view(*lines).replace("def", decorated, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return 'hello'  # as it is", "return 'hello'  # as it is"),
        ("time.sleep( 1 )", "await asyncio.sleep( 1 )"),
        ("x = requests.get(u)", "x = await run_sync(requests.get)(u)"),
        ("return requests.get(u).json()", "return (await run_sync(requests.get)(u)).json()"),
        ("requests.get(u)[0]", "(await run_sync(requests.get)(u))[0]"),
        ("x = (requests.get(u))", "x = (await run_sync(requests.get)(u))"),
        ("subprocess.run(['x'], check=True)", "await run_sync(subprocess.run)(['x'], check=True)"),
        ("x = f'{load(1)}'", "x = f'{await run_sync(load)(1)}'"),
        ("if x := load(1):\n    pass", "if x := await run_sync(load)(1):\n    pass"),
        ("load(load(1))", "await run_sync(load)(await run_sync(load)(1))"),
        ("-load(1) ** 2", "-await run_sync(load)(1) ** 2"),
        ("[load(n) for n in ns]", "[await run_sync(load)(n) for n in ns]"),
        ("(n for n in load(1))", "(n for n in await run_sync(load)(1))"),
        (
            "try:\n    pass\nfinally:\n    load(1)",
            "try:\n    pass\nfinally:\n    await run_sync(load)(1)",
        ),
        (
            "s = requests.Session()\ns.headers['a'] = 'b'\ns.post(u)",
            "s = requests.Session()\ns.headers['a'] = 'b'\nawait run_sync(s.post)(u)",
        ),
        ("x = asyncio.run(fetch())['a']", "x = (await fetch())['a']"),
        ("def inner(x=load(1)): ...", "def inner(x=await run_sync(load)(1)): ..."),
        (
            "def inner():\n    load(1)\ninner()",
            "def inner():\n    load(1)\nawait run_sync(inner)()",
        ),
    ],
)
def test_what_blocks_is_awaited(rewritten: Rewrite, before: str, after: str) -> None:
    done = rewritten(HEAD + view(before))
    assert done.endswith(async_view(after))
    assert ("import asyncio\n" in done) == ("asyncio." in after)
    assert ("from quart.utils import run_sync\n" in done) == ("run_sync" in after)


@pytest.mark.parametrize(
    "line",
    [
        "db.session.commit()",
        "with open('x') as file:\n    file.read()",
        "sum(open(name).read() for name in names)",
        "def rows():\n    yield load(1)\nreturn rows()",
    ],
)
def test_what_belongs_to_its_thread_gets_a_loop_of_its_own(rewritten: Rewrite, line: str) -> None:
    done = rewritten(HEAD + view(line))
    assert done.endswith(async_view(line, apart=True))
    assert "from quart_flask_patch import runs_in\n" in done


def test_what_is_bound_to_a_thread_gets_a_loop_of_its_own(rewritten: Rewrite) -> None:
    done = rewritten(HEAD + "import threading\nlocal = threading.local()\n" + view("local.x = 1"))
    assert done.endswith(async_view("local.x = 1", apart=True))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("f = lambda: load(1)", "load(...) waits in a lambda"),
        ("sum(load(n) for n in ns)", "load(...) waits in a generator expression"),
        ("class A:\n    x = load(1)", "load(...) waits in the body of a class"),
    ],
)
def test_where_no_await_can_stand_a_comment_says_so(
    rewritten: Rewrite, line: str, why: str
) -> None:
    comment = f"# migrate: {why}, where no await can stand."
    lines = line.split("\n")
    place = len(lines) - 1
    indent = "    " * place
    lines.insert(place, indent + comment)
    assert rewritten(HEAD + view(line)).endswith(async_view(*lines, apart=True))


def test_a_view_that_another_calls_is_awaited_there(rewritten: Rewrite) -> None:
    program = HEAD + view("return 'x'") + '\n@app.get("/b")\ndef other():\n    return index()\n'
    done = rewritten(program + "\ndef helper():\n    return index() + 'y'\n")
    assert "async def other():\n    return await index()\n" in done
    assert "def helper():\n    return current_app.ensure_sync(index)() + 'y'\n" in done
    assert "from flask import current_app, Flask, request\n" in done


def test_a_decorator_that_uses_what_the_view_returns_waits_for_it(rewritten: Rewrite) -> None:
    decorators = """
def passes_on(view):
    def wrapper(*args):
        return view(*args)
    return wrapper

def uses(text):
    def decorate(view):
        def wrapper(*args):
            try:
                return view(*args)
            finally:
                print(text)
        return wrapper
    return decorate

@app.get("/")
@passes_on
@uses("x")
def index():
    return "x"
"""
    done = rewritten(HEAD + decorators)
    assert "        return view(*args)\n    return wrapper\n\ndef uses" in done
    assert "                return current_app.ensure_sync(view)(*args)\n" in done
    assert '@app.get("/")\n@passes_on\n@uses("x")\nasync def index' in done


@pytest.mark.parametrize("decorator", ["pool.atomic()", "functools.cache", "lock"])
def test_a_decorator_that_nothing_is_known_of_is_given_what_the_view_returns(
    rewritten: Rewrite, decorator: str
) -> None:
    """It may be a transaction, which would end before the view begins."""
    program = HEAD + view("return 'x'").replace("def ", f"@{decorator}\ndef ", 1)
    assert f'@app.get("/")\n@{decorator}\n@awaited\nasync def index' in rewritten(program)


@pytest.mark.parametrize("how", ["current_app.ensure_sync(view)", "view"])
def test_a_view_that_others_call_through_its_decorator_gives_them_its_result(
    rewritten: Rewrite, how: str, tmp_path: Path
) -> None:
    program = f"""
from functools import wraps
from flask import current_app

def guarded(view):
    @wraps(view)
    def wrapper(*args):
        return "nobody" if "nobody" in request.args else {how}(*args)
    return wrapper

@app.get("/other")
@guarded
def other():
    return "other"

def helper():
    return other()

@app.get("/")
def index():
    return f"{{other()}} {{helper()}}"
"""
    head = "from flask import Flask, request\napp = Flask(__name__)\n"
    done = rewritten(head + program)
    assert "@guarded\n@awaited\nasync def other" in done
    assert "async def index" in done
    ask = "client = program.app.test_client(); print(client.get('/').text, end=' '); "
    ask += "print(client.get('/?nobody').text)"
    command = [sys.executable, "-c", f"import quart_flask_patch, program; {ask}"]
    answers = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answers.stdout == "other other nobody nobody\n"


DISPATCHES = """
from flask.views import MethodView

class Item(MethodView):
    def dispatch_request(self, key):
        method = getattr(self, request.method.lower())
        try:
            return {call}
        except KeyError:
            return "no"

class Book(Item):
    def get(self, key):
        return {{}}[key]

app.add_url_rule("/<key>", view_func=Book.as_view("book"))
"""


def test_a_class_that_calls_its_methods_by_name_is_given_what_they_return(
    rewritten: Rewrite,
) -> None:
    done = rewritten(HEAD + DISPATCHES.format(call="method(key)"))
    assert "    @awaited\n    async def get(self, key):\n" in done
    assert "            return method(key)\n" in done


def test_a_class_that_asks_whether_its_methods_are_async_is_left_alone(rewritten: Rewrite) -> None:
    done = rewritten(HEAD + DISPATCHES.format(call="app.ensure_sync(method)(key)"))
    assert "awaited" not in done


def test_class_based_views_have_one_place_for_all_methods(rewritten: Rewrite) -> None:
    program = """
from flask.views import MethodView

class Items(MethodView):
    \"\"\"Of a shop.\"\"\"

    decorators = [login_required]

    def get(self):
        time.sleep(1)
        return self.post()

    def post(self):
        db.session.commit()

    def helper(self):
        return 1

app.add_url_rule("/items", view_func=Items.as_view("items"))
"""
    done = rewritten(HEAD + program)
    assert 'decorators = [login_required, runs_in("own-loop")]\n' in done
    assert "async def get(self):\n        await asyncio.sleep(1)\n" in done
    assert "        return await self.post()\n" in done
    assert "async def post(self):\n        db.session.commit()\n" in done
    assert "    def helper(self):" in done


def test_a_method_that_is_registered_itself_is_a_view_by_itself(rewritten: Rewrite) -> None:
    """As extensions do, with an object of theirs: Flask calls it, and awaits it."""
    program = """
class Login:
    def init_app(self, app):
        app.add_url_rule("/login", "login", self.login)
        app.add_url_rule("/logout", "logout", self.logout)

    def login(self):
        return self.load().json()

    def load(self):
        return requests.get("x")

    def logout(self):
        db.session.commit()

Login().init_app(app)
"""
    done = rewritten(HEAD + program)
    assert "async def login(self):\n        return (await run_sync(self.load)()).json()" in done
    assert '    @runs_in("own-loop")\n    async def logout(self):' in done
    assert "    def load(self):" in done
    assert "decorators" not in done


def test_a_hook_that_blocks_awaits_or_sends_its_views_to_loops_of_their_own(
    rewritten: Rewrite,
) -> None:
    hooks = """
from flask import Blueprint

bp = Blueprint("shop", __name__)

@app.before_request
def first():
    load(1)

@bp.before_request
def second():
    db.session.commit()

@bp.get("/")
def listed():
    return "x"

"""
    done = rewritten(HEAD + hooks + view("return 'x'"))
    assert "async def first():\n    await run_sync(load)(1)\n" in done
    assert "\ndef second():\n    db.session.commit()\n" in done
    assert '@bp.get("/")\n@runs_in("own-loop")\nasync def listed' in done
    assert done.endswith(async_view("return 'x'"))


def test_a_view_that_is_async_keeps_its_place(rewritten: Rewrite, tmp_path: Path) -> None:
    """It may share a queue, a client or a lock with others of the server's loop."""
    program = HEAD + async_view("db.session.commit()", "load(1)")
    done = rewritten(program)
    assert done.endswith(async_view("db.session.commit()", "await run_sync(load)(1)"))
    assert [found.code for found in rewrite(tmp_path, "async", ()).left] == ["holds-the-loop"]


def test_names_that_are_taken_are_left_alone(rewritten: Rewrite) -> None:
    done = rewritten(HEAD + "run_sync = 1\n" + view("load(run_sync)"))
    assert "from quart.utils import run_sync as quart_run_sync\n" in done
    assert done.endswith(async_view("await quart_run_sync(load)(run_sync)"))
    done = rewritten(HEAD + "asyncio = 1\n" + view("time.sleep(1)"))
    assert done.endswith(async_view("await run_sync(time.sleep)(1)"))


IMPORTS = {
    "after a docstring and what must come first": (
        """\
        '''A page.'''
        from __future__ import annotations
        from flask import Flask
        """,
        """\
        '''A page.'''
        from __future__ import annotations

        import asyncio

        from flask import Flask
        from quart.utils import run_sync
        """,
    ),
    "in the sections that are there": (
        """\
        import quart_flask_patch  # first

        # isort: split

        import ast
        import zlib

        from flask import (
            Flask,
            request,
        )
        from werkzeug import x
        """,
        """\
        import quart_flask_patch  # first

        # isort: split

        import ast
        import asyncio
        import zlib

        from flask import (
            Flask,
            request,
        )
        from quart.utils import run_sync
        from werkzeug import x
        """,
    ),
    "beside names of the same module": (
        """\
        import typing
        if typing.TYPE_CHECKING:
            from quart.utils import run_sync
        from quart.utils import cancel_tasks
        from flask import Flask
        """,
        """\
        import asyncio
        import typing
        if typing.TYPE_CHECKING:
            from quart.utils import run_sync
        from quart.utils import cancel_tasks, run_sync
        from flask import Flask
        """,
    ),
    "on lines of their own": (
        """\
        from flask import Flask
        from quart.utils import (
            cancel_tasks,
            run_sync_iterable,
        )
        """,
        """\
        import asyncio

        from flask import Flask
        from quart.utils import (
            cancel_tasks,
            run_sync,
            run_sync_iterable,
        )
        """,
    ),
}


@pytest.mark.parametrize("where", IMPORTS)
def test_imports_stand_where_isort_looks_for_them(rewritten: Rewrite, where: str) -> None:
    before, after = map(textwrap.dedent, IMPORTS[where])
    rest = "app = Flask('x')\n"
    done = rewritten(before + rest + view("time.sleep(1)", "subprocess.run(['x'])"))
    assert done == after + rest + async_view(
        "await asyncio.sleep(1)", "await run_sync(subprocess.run)(['x'])"
    )


@pytest.mark.parametrize(
    ("encoding", "cookie", "newline", "bom"),
    [
        ("utf-8", "", "\n", b""),
        ("utf-8", "", "\r\n", b"\xef\xbb\xbf"),
        ("latin-1", "# -*- coding: latin-1 -*-\n", "\r\n", b""),
    ],
)
def test_encodings_and_line_ends_stay(
    tmp_path: Path, encoding: str, cookie: str, newline: str, bom: bytes
) -> None:
    head = f"{cookie}import time\n\nfrom flask import Flask\n\napp = Flask(__name__)\n\n"
    before = head + '@app.get("/")\ndef index():\n\tx = "ä"; time.sleep(1)  # é\n\treturn x'
    after = before.replace("import time", "import asyncio\nimport time").replace(
        "time.sleep", "await asyncio.sleep"
    )
    file = tmp_path / "program.py"
    file.write_bytes(bom + before.replace("\n", newline).encode(encoding))
    write(rewrite(tmp_path, "async", ()).files)
    after = after.replace("def index", "async def index").replace("\n", newline)
    assert file.read_bytes() == bom + after.encode(encoding)


def test_a_loop_that_cannot_run_within_another_stays_in_a_thread(
    rewritten: Rewrite, tmp_path: Path
) -> None:
    program = HEAD + "import asyncio\n\ndef fetched():\n    return asyncio.run(fetch())\n\n"
    done = rewritten(program + view("db.session.commit()", "fetched()"))
    lines = async_view("db.session.commit()", "await run_sync(fetched)()", apart=True)
    assert done.endswith(lines)
    program = program.replace("return", "db.session.commit()\n    return") + view("fetched()")
    assert rewritten(program) == program
    assert [found.code for found in rewrite(tmp_path, "async", ()).left] == ["view-left"]


def test_what_is_left_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("print 'no'\n", "utf-8")
    (tmp_path / "program.py").write_text(
        HEAD
        + view("return 'x'")
        + '\n@app.get("/g")\ndef pieces():\n    yield "x"\n'
        + '\n@app.get("/c")\ndef called():\n    return "x"\n\nTEXT = called()\n'
        + '\n@app.get("/t")\ndef tested():\n    return "x"\n',
        "utf-8",
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        "from program import tested\n\ndef test():\n    assert tested() == 'x'\n", "utf-8"
    )
    outcome = rewrite(tmp_path, "async", ())
    assert {view.name: view.outcome for view in outcome.views} == {
        **dict.fromkeys(["index", "called", "tested"], "rewritten"),
        "pieces": "left",
    }
    assert sorted(finding.code for finding in outcome.left) == ["unread", "view-left"]
    # A module and a test call these, and go on doing so.
    (after,) = (file.after.decode() for file in outcome.files)
    assert after.count("@awaited\nasync def ") == 2


def test_the_demo_is_rewritten_as_a_whole(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "notes", tmp_path / "notes")
    outcome = rewrite(folder, "async", ())
    write(outcome.files)
    assert outcome.counts()["left"] == 0
    for file in folder.rglob("*.py"):
        ast.parse(file.read_text("utf-8"))
    assert rewrite(folder, "async", ()).files == []


def test_the_page_shows_what_is_done(rewritten: Rewrite) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "rewriting.md"
    before, after = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)[:2]
    assert rewritten(before) == after


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(HEAD + view("load(1)"), "utf-8")
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(migrate, ["rewrite", *map(str, arguments)])


def test_by_default_a_diff_is_shown_and_nothing_changed(program: Path) -> None:
    result = run(program)
    assert result.exit_code == 0
    assert "-def index():\n" in result.stdout
    assert "+    await run_sync(load)(1)\n" in result.stdout
    assert "1 of 1 views rewritten" in result.stderr
    assert (program / "program.py").read_text("utf-8") == HEAD + view("load(1)")


def test_written_files_and_a_report_for_programs(program: Path) -> None:
    result = run(program, "--write", "--json")
    report = json.loads(result.stdout)
    assert (report["written"], report["counts"]["rewritten"]) == (True, 1)
    assert "+async def index():" in report["diff"]
    assert "async def index" in (program / "program.py").read_text("utf-8")
    again = json.loads(run(program, "--write", "--json").stdout)
    assert (again["files"], again["counts"]) == ([], {"rewritten": 0, "unchanged": 1, "left": 0})


@pytest.mark.parametrize("pattern", ["index", "program.index", "ind*"])
def test_views_are_chosen_by_endpoint(program: Path, pattern: str) -> None:
    text = (program / "program.py").read_text("utf-8") + '\n@app.get("/b")\ndef b():\n    pass\n'
    (program / "program.py").write_text(text, "utf-8")
    result = run(program, "--views", pattern)
    assert "+async def index():" in result.stdout
    assert "+async def b" not in result.stdout


CLIENT = "async with httpx.AsyncClient(follow_redirects=True{}) as client:\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "return requests.get(u, timeout=3).json()  # as JSON",
            CLIENT.format("") + "    return (await client.get(u, timeout=3)).json()  # as JSON",
        ),
        (
            "x = requests.post(u, json={})",
            CLIENT.format(", timeout=None") + "    x = await client.post(u, json={})",
        ),
        (
            "x = requests.get(u).ok",
            "x = (await asyncio.to_thread(requests.get, u)).ok",
        ),
        ("subprocess.run(['x'])", "await asyncio.to_thread(subprocess.run, ['x'])"),
        ("load(1)", "await run_sync(load)(1)"),
    ],
)
def test_native_ways_are_preferred_where_they_say_the_same(
    tmp_path: Path, before: str, after: str
) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + view(before), "utf-8")
    assert run(tmp_path, "--prefer", "native", "--write").exit_code == 0
    assert file.read_text("utf-8").endswith(async_view(after))
    assert rewrite(tmp_path, "async", (), native=True).files == []


def test_a_view_that_is_not_there_is_a_wrong_use(program: Path) -> None:
    result = run(program, "--views", "nothing")
    assert result.exit_code == 2
    assert "got nothing, which names none. There are index." in result.stderr


def test_the_exit_status_tells_that_something_is_left(program: Path) -> None:
    (program / "program.py").write_text(HEAD + view("f = lambda: load(1)"), "utf-8")
    assert run(program).exit_code == 1


def test_views_are_not_chosen_where_the_whole_code_base_moves(program: Path) -> None:
    result = run(program, "--to", "quart", "--views", "index")
    assert result.exit_code == 2
    assert "Expected no --views with --to quart" in result.stderr
