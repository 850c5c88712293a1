"""Code bases as nobody would write them: `migrate check` and `migrate rewrite` read on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest
from click import ClickException
from click.testing import CliRunner

from quart_flask_patch.migrate.command import migrate
from quart_flask_patch.migrate.rewrite.outcome import ChangedFile, Outcome
from quart_flask_patch.migrate.rewrite.run import rewrite, write

VIEW = "import time\nfrom app import app\n\n\n@app.get('/{0}')\ndef {0}():\n    time.sleep(1)\n"
APP = "from flask import Flask\n\napp = Flask(__name__)\n"
UNREAD = {
    "syntax": b"def (:\n",
    "python2": b"print 'x'\n",
    "null": b"x = 1\0\n",
    "encoding": b"# coding: nosuch\n",
    "mismatch": b"\xef\xbb\xbf# coding: latin-1\n",
    "bytes": b"x = '\xff'\n",
    "deep": b"x = " + b" + ".join([b"1"] * 700),
    "brackets": b"x = " + b"[" * 300 + b"]" * 300,
    "calls": b"x = f" + b"(1)" * 3000,
}
READ = {
    "crlf": VIEW.format("crlf").replace("\n", "\r\n"),
    "mixed": VIEW.format("mixed").replace("import time\n", "import time\r\n"),
    "bom": "\ufeff" + VIEW.format("bom"),
    "tabs": VIEW.format("tabs").replace("    ", "\t"),
    "unended": VIEW.format("unended").rstrip(),
    "feeds": VIEW.format("feeds").replace("\n\n\n", "\n\x0c\n")
    + "    return 'a\x0cb\x1cc\u2028d\x85'\n",
    "latin": "# coding: latin-1\n" + VIEW.format("latin") + "    return 'für'\n",
    "chain": VIEW.format("chain") + "    return " + " + ".join(["'x'"] * 500) + "\n",
    "choice": VIEW.format("choice")
    + "    if x == 0:\n        pass\n"
    + "".join(f"    elif x == {n}:\n        pass\n" for n in range(280)),
    "spaced name": VIEW.format("spaced"),
    # Python warns of it.
    "escape": VIEW.format("escape") + "    return '\\s'\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with all of these, links in circles, a pipe and a notebook."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(APP, "utf-8")
    for name, content in UNREAD.items():
        (tmp_path / f"{name}.py").write_bytes(content)
    for name, text in READ.items():
        encoding = "latin-1" if name == "latin" else "utf-8"
        (tmp_path / f"{name}.py").write_bytes(text.encode(encoding))
    (tmp_path / "empty.py").touch()
    (tmp_path / "notebook.ipynb").write_text("{}", "utf-8")
    (tmp_path / "folder.py").mkdir()
    for link, to in {"circle": ".", "nowhere.py": "no.py", "itself.py": "itself.py"}.items():
        (tmp_path / link).symlink_to(to)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
    return tmp_path


@pytest.mark.parametrize("command", [["check"], ["rewrite"], ["rewrite", "--to", "quart"]])
def test_what_cannot_be_read_is_named_and_the_rest_goes_on(
    folder: Path, command: list[str]
) -> None:
    result = CliRunner().invoke(migrate, [*command, ".", "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert {name for name in UNREAD if f"{name}.py:" in result.output} == set(UNREAD)
    assert {name for name in READ if f"{name}.py:" in result.output} == set(READ)


def test_what_is_written_is_what_the_diff_says(folder: Path) -> None:
    outcome = rewrite(folder, "async", ())
    assert {file.path.stem for file in outcome.files} == set(READ)
    before = {file.path: file.path.read_bytes() for file in outcome.files}
    assert all(file.before == before[file.path] for file in outcome.files)
    for command in (["init", "-q"], ["config", "core.autocrlf", "false"]):
        subprocess.run(["git", *command], check=True)
    shown = CliRunner().invoke(migrate, ["rewrite", "."])
    subprocess.run(["git", "apply", "--whitespace=nowarn"], input=shown.stdout_bytes, check=True)
    for file in outcome.files:
        assert file.path.read_bytes() == file.after, file.shown
        assert file.after.count(b"async def") == 1
    assert rewrite(folder, "async", ()).files == []


def test_a_file_that_python_alone_reads_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from libcst import ParserSyntaxError

    from quart_flask_patch.migrate.rewrite import run

    for name in "one", "two":
        (tmp_path / f"{name}.py").write_text(APP + VIEW.format(name), "utf-8")
    edited = run.edited

    def fails(text: object, edits: object) -> bytes:
        if b"two" in text.bytes:  # type: ignore[attr-defined]  # it is a Text
            raise ParserSyntaxError("as a newer grammar", lines=["x"], raw_line=1, raw_column=0)
        return edited(text, edits)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(run, "edited", fails)
    outcome = rewrite(tmp_path, "async", ())
    assert [file.path.stem for file in outcome.files] == ["one"]
    assert [finding.code for finding in outcome.findings] == ["unread"]
    assert "LibCST does not read it" in outcome.findings[0].what


# --- writing -------------------------------------------------------------------------------------


@pytest.fixture
def planned(tmp_path: Path) -> Outcome:
    for name in "a", "b", "c":
        (tmp_path / f"{name}.py").write_text(APP + VIEW.format(name), "utf-8")
    return rewrite(tmp_path, "async", ())


def contents(files: list[ChangedFile]) -> list[bytes]:
    return [file.path.read_bytes() for file in files]


def change(file: ChangedFile) -> None:
    file.path.write_text("# somebody else's\n", "utf-8")


def remove(file: ChangedFile) -> None:
    file.path.unlink()
    file.path.mkdir()


@pytest.mark.parametrize("spoil", [change, remove])
def test_all_is_written_or_nothing(planned: Outcome, spoil: object, tmp_path: Path) -> None:
    spoil(planned.files[-1])  # type: ignore[operator]  # a function
    before = contents(planned.files[:-1])
    with pytest.raises(ClickException, match="None was changed"):
        write(planned.files)
    assert contents(planned.files[:-1]) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.py", "b.py", "c.py"]


def test_what_was_written_is_put_back_where_the_next_fails(
    planned: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, replace = contents(planned.files), Path.replace

    def fails(self: Path, target: Path) -> Path:
        if target.name == "c.py":
            raise OSError("no space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(ClickException, match="no space left on device"):
        write(planned.files)
    assert contents(planned.files) == before


def test_a_read_only_file_is_left(planned: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b.py")
    with pytest.raises(ClickException, match="read-only"):
        write(planned.files)


def test_a_link_stays_one_and_rights_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "real.py", tmp_path / "code" / "linked.py"
    for path in target, link:
        path.parent.mkdir()
    target.write_text(APP + VIEW.format("real"), "utf-8")
    target.chmod(0o751)
    link.symlink_to(target)
    write(rewrite(link.parent, "async", ()).files)
    assert link.is_symlink()
    assert "async def" in target.read_text("utf-8")
    assert target.stat().st_mode & 0o777 == 0o751


# --- names ---------------------------------------------------------------------------------------


def test_star_imports_are_followed(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("import time\ndef nap():\n    time.sleep(1)\n", "utf-8")
    (tmp_path / "shared.py").write_text(f"from helpers import *\n{APP}", "utf-8")
    (tmp_path / "views.py").write_text(
        "from shared import *\nfrom time import *\n"
        "@app.get('/')\ndef index():\n    nap()\n    sleep(1)\n    print(len(''))\n",
        "utf-8",
    )
    (file,) = rewrite(tmp_path, "async", ()).files
    assert b"await run_sync(nap)()\n    await asyncio.sleep(1)\n    print(len(''))" in file.after


REGISTERING = """
def routing(rule):
    def decorator(view):
        app.add_url_rule(rule, view_func=view)
        app.add_url_rule(f"{rule}.view", "again", view, methods=["GET"])
        return view
    return decorator


def plainly(view):
    app.add_url_rule("/plainly", None, view)
    return view


def other(function):
    app.add_url_rule("/other", view_func=str)
    return function


@routing("/ping")
def ping():
    return db.session.execute("x")


@plainly
def pong():
    time.sleep(1)


@other
def no_view():
    time.sleep(1)
"""


def test_a_decorator_that_registers_makes_a_view(tmp_path: Path) -> None:
    head = f"import time\nfrom flask_sqlalchemy import SQLAlchemy\n{APP}db = SQLAlchemy(app)\n"
    (tmp_path / "program.py").write_text(head + REGISTERING, "utf-8")
    outcome = rewrite(tmp_path, "async", ())
    assert [view.name for view in outcome.views] == ["ping", "pong"]
    after = outcome.files[0].after.decode()
    assert '@routing("/ping")\n@runs_in("own-loop")\nasync def ping' in after
    assert "@plainly\nasync def pong():\n    await asyncio.sleep(1)" in after


LARGE = """
import time
from functools import wraps
from flask import Flask, request
from flask.views import MethodView

app = Flask(__name__)

def fetched():
    time.sleep(1)

def guarded(view):
    @wraps(view)
    def guard(*args):
        return view(*args) if request.args else ""
    return guard

def counted(view):
    @wraps(view)
    def count(*args):
        return len(view(*args))
    return count

@counted
def elsewhere():
    return []
"""
ONE_OF_MANY = """
@app.get("/plain{0}")
@guarded
def plain{0}():
    time.sleep(1)

@app.get("/helped{0}")
@counted
def helped{0}():
    return fetched()

class Shown{0}(MethodView):
    def get(self):
        with open("x") as file:
            return file.read()

app.add_url_rule("/shown{0}", view_func=Shown{0}.as_view("shown{0}"))
"""


def steps_of(number: int, folder: Path, to: str) -> int:
    """Return how many functions and generators of ours went on while *number* were rewritten."""
    program, steps = folder / f"{number}.py", 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal steps
        steps += event == "call" and "migrate" in frame.f_code.co_filename

    program.write_text(LARGE + "".join(map(ONE_OF_MANY.format, range(number))), "utf-8")
    sys.setprofile(count)
    try:
        outcome = rewrite(program, to, ())
    finally:
        sys.setprofile(None)
    assert {view.outcome for view in outcome.views} == {"rewritten"}
    return steps


@pytest.mark.parametrize("to", ["async", "quart"])
def test_the_work_grows_as_the_views_do(tmp_path: Path, to: str) -> None:
    few, many, more = (steps_of(number, tmp_path, to) for number in (10, 40, 70))
    assert more - many == pytest.approx(many - few, rel=0.02)
