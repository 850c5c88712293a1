"""The quart command: finding apps, options and environment, commands that wait."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import flask.cli
import pytest
from click.testing import CliRunner, Result

from quart import Blueprint, current_app, has_app_context, Quart
from quart.cli import (
    AppGroup,
    cli,
    find_app_by_string,
    find_best_app,
    load_dotenv,
    locate_app,
    NoAppException,
    prepare_import,
    QuartGroup,
    run_command,
    ScriptInfo,
    with_appcontext,
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty current directory; modules, import path and environment as they were after it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("QUART_APP", "QUART_DEBUG", "QUART_ENV_FILE", "QUART_RUN_PORT"):
        monkeypatch.setenv(name, "")  # to be put back, also if it is not set now
        monkeypatch.delenv(name)
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def app() -> Quart:
    return Quart("an_app")


def invoke(*args: str, **options: Any) -> Result:
    return CliRunner().invoke(cli, args, **options)


def module(**names: Any) -> ModuleType:
    made = ModuleType("a_module")
    vars(made).update(names)
    return made


# Finding the app


def factory(name: str = "made", *, number: int = 0) -> Quart:
    return Quart(f"{name}{number}")


def test_find_best_app() -> None:
    one, two = Quart("one"), Quart("two")
    assert find_best_app(module(app=one, two=two)) is one
    assert find_best_app(module(application=two, one=one)) is two
    assert find_best_app(module(any_name=one)) is one
    assert find_best_app(module(name=one, other_name=one)) is one
    assert find_best_app(module(create_app=factory)).name == "made0"
    assert find_best_app(module(make_app=factory, create_app=lambda: None)).name == "made0"
    assert find_best_app(module(app="other", real=one)) is one


def test_find_best_app_fails() -> None:
    with pytest.raises(NoAppException, match="Failed to find a Quart application"):
        find_best_app(module())
    with pytest.raises(NoAppException, match="Detected multiple Quart applications"):
        find_best_app(module(one=Quart("one"), two=Quart("two")))
    with pytest.raises(NoAppException, match=r"could not be called.*'a_module:<lambda>\(args\)'"):
        find_best_app(module(create_app=lambda required: None))


@pytest.mark.parametrize(
    ("string", "name"),
    [
        ("app", "the_app"),
        (" app ", "the_app"),
        ("factory", "made0"),
        ("factory()", "made0"),
        ("factory('other')", "other0"),
        ("factory('other', number=3)", "other3"),
    ],
)
def test_find_app_by_string(string: str, name: str) -> None:
    assert find_app_by_string(module(app=Quart("the_app"), factory=factory), string).name == name


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("missing", "Failed to find attribute 'missing' in 'a_module'"),
        ("app.attribute", "Failed to parse 'app.attribute'"),
        ("not a name", "Failed to parse 'not a name'"),
        ("other.factory()", "must be a simple name"),
        ("factory(name)", "Failed to parse arguments as literal values"),
        ("factory(wrong=1)", r"could not be called with the specified arguments \(got an unexp"),
        ("number", "Expected a Quart application from 'a_module:number', got int"),
        ("print()", "Failed to find attribute 'print'"),
    ],
)
def test_find_app_by_string_fails(string: str, message: str) -> None:
    with pytest.raises(NoAppException, match=message):
        find_app_by_string(module(factory=factory, number=1), string)


def test_errors_of_a_factory_are_its_own() -> None:
    def fail() -> None:
        int("a", "b")  # type: ignore[call-overload]

    for find in (find_best_app, lambda made: find_app_by_string(made, "create_app")):
        with pytest.raises(TypeError, match="integer"):
            find(module(create_app=fail))


def test_locate_app(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inside.py").write_text("from quart import Quart\napp = Quart('inside')")
    (package / "bad.py").write_text("import package.missing_module")
    name = prepare_import(str(package / "inside.py"))
    assert name == "package.inside"
    located = locate_app(name, None)
    assert located is not None
    assert located.name == "inside"
    with pytest.raises(NoAppException, match=r"(?s)While importing 'package\.bad'.*missing_module"):
        locate_app("package.bad", None)
    with pytest.raises(NoAppException, match=r"Could not import 'package\.nothing'"):
        locate_app("package.nothing", None)
    assert locate_app("nothing.at.all", None, raise_if_not_found=False) is None


def write_app(name: str = "app.py", code: str = "") -> None:
    Path(name).write_text(f"import asyncio, os, click, quart\napp = quart.Quart('found')\n{code}")


def test_script_info(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoAppException, match="Could not locate a Quart application"):
        ScriptInfo().load_app()
    write_app()
    info = ScriptInfo()
    assert info.load_app().name == "found"
    assert info.load_app() is info.load_app()
    monkeypatch.setenv("QUART_DEBUG", "1")
    assert ScriptInfo(create_app=lambda: app).load_app().debug
    app.debug = False
    assert not ScriptInfo(create_app=lambda: app, set_debug_flag=False).load_app().debug
    write_app("other.py")
    assert ScriptInfo("other:app").load_app().name == "found"
    assert ScriptInfo("other.py").load_app().name == "found"
    assert isinstance(info, flask.cli.ScriptInfo)
    assert info.data == {}


def test_run_is_ignored_while_the_app_is_loaded() -> None:
    write_app(code="app.run()")
    with pytest.warns(UserWarning, match="ignored while the 'quart' command loads"):
        assert ScriptInfo().load_app().name == "found"


# Options and environment


def test_version() -> None:
    output = invoke("--version").output
    for name in ("Quart", "Quart-Flask-Patch", "Flask", "Werkzeug", "greenlet", "hypercorn"):
        assert f"{name} {metadata.version(name)}\n" in output
    assert output.startswith("Python 3.")


@pytest.mark.parametrize("way", ["option", "short option", "variable", "file"])
def test_ways_to_name_the_app(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_app("mine.py", "@app.cli.command()\ndef show():\n  click.echo(quart.current_app.name)\n")
    args = {"option": ["--app", "mine"], "short option": ["-A", "mine:app"]}.get(way, [])
    if way == "variable":
        monkeypatch.setenv("QUART_APP", "mine.py")
    elif way == "file":
        Path("mine.py").rename("app.py")
    assert invoke(*args, "show").output == "found\n"
    assert "show" in invoke(*args, "--help").output
    if not args:
        assert "show" in invoke().output


def test_help_says_what_is_wrong_with_the_app() -> None:
    assert "Error: Could not locate a Quart application" in invoke("--help").output
    assert "Error: Could not locate a Quart application" in invoke("missing").output
    Path("app.py").write_text("1 / 0")
    result = invoke("--help")
    assert "ZeroDivisionError" in result.output
    assert "Run a development server" in result.output


@pytest.mark.parametrize(
    ("args", "variable", "expected"),
    [
        ([], None, False),
        ([], "1", True),
        (["--debug"], None, True),
        (["--no-debug"], "1", False),
    ],
)
def test_debug(
    args: list[str], variable: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_app(code="@app.cli.command()\ndef show():\n  click.echo(quart.current_app.debug)\n")
    if variable is not None:
        monkeypatch.setenv("QUART_DEBUG", variable)
    assert invoke(*args, "show").output == f"{expected}\n"


def test_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ABCD":
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("D", "set")
    Path(".quartenv").write_text("A=quartenv\nB=quartenv\nC=quartenv\nD=quartenv\nE_EMPTY")
    Path(".env").write_text("B=env\nC=env\n")
    Path("extra").write_text("C=extra\nQUART_APP=mine\n")
    write_app(
        "mine.py",
        "@app.cli.command()\ndef show():\n  click.echo([os.environ[name] for name in 'ABCD'])\n",
    )
    assert invoke("--env-file", "extra", "show").output == "['quartenv', 'env', 'extra', 'set']\n"
    assert load_dotenv("extra", load_defaults=False)
    assert not load_dotenv("no such file", load_defaults=False)


def test_dotenv_can_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("QUART_APP=nowhere\n")
    write_app(code="@app.cli.command()\ndef show():\n  click.echo('ran')\n")
    monkeypatch.setenv("QUART_SKIP_DOTENV", "1")
    assert invoke("show").output == "ran\n"


def test_dotenv_is_optional(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert not load_dotenv()
    assert not capsys.readouterr().err
    Path(".env").touch()
    assert not load_dotenv()
    assert "Install python-dotenv" in capsys.readouterr().err


# Commands


@pytest.mark.parametrize("bare", [False, True])
def test_plain_command(app: Quart, bare: bool) -> None:
    def command() -> None:
        """Shown as help."""
        assert current_app.name == "an_app"
        click.echo(asyncio.run(asyncio.sleep(0, "own loop")))

    if bare:
        app.cli.command(command)  # type: ignore[arg-type]
    else:
        app.cli.command("command")(command)
    runner = app.test_cli_runner()
    assert runner.invoke(args=["command"]).output == "own loop\n"
    assert "Shown as help." in runner.invoke(args=["command", "--help"]).output


def test_async_command(app: Quart) -> None:
    loops = []

    @app.teardown_appcontext
    async def teardown(error: BaseException | None) -> None:
        loops.append(asyncio.get_running_loop())

    @app.cli.command()
    @click.argument("number", type=int)
    @click.option("--twice", is_flag=True)
    @click.pass_context
    async def count(ctx: click.Context, number: int, twice: bool) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        assert click.get_current_context() is ctx
        click.echo(f"{current_app.name} {number * 2 if twice else number}")

    result = app.test_cli_runner().invoke(args=["count", "4", "--twice"])
    assert result.output == "an_app 8\n"
    assert len(loops) == 2
    assert loops[0] is loops[1]


def test_error_of_an_async_command(app: Quart) -> None:
    @app.cli.command()
    async def fail() -> None:
        raise click.ClickException("not today")

    result = app.test_cli_runner().invoke(args=["fail"])
    assert result.exit_code == 1
    assert result.output == "Error: not today\n"


def test_async_groups_share_the_loop(app: Quart) -> None:
    loops = []

    @app.cli.group(invoke_without_command=True)
    async def database() -> None:
        loops.append(asyncio.get_running_loop())

    @database.command()
    async def create() -> None:
        assert current_app.name == "an_app"
        loops.append(asyncio.get_running_loop())

    @database.command(with_appcontext=False)
    async def locate() -> None:
        assert not has_app_context()
        loops.append(asyncio.get_running_loop())

    assert isinstance(database, AppGroup)
    for name in ("create", "locate"):
        assert app.test_cli_runner().invoke(args=["database", name]).exit_code == 0
    assert loops[0] is loops[1]
    assert loops[2] is loops[3]


@pytest.mark.parametrize("decorator", [with_appcontext, with_appcontext()])
def test_with_appcontext(app: Quart, decorator: Callable[[Any], Any]) -> None:
    @click.command()
    @decorator
    async def asynchronous() -> None:
        click.echo(current_app.name)

    @click.command()
    @decorator
    def plain() -> None:
        click.echo(current_app.name)
        click.get_current_context().invoke(plain_again)

    @click.command()
    @decorator
    def plain_again() -> None:
        click.echo("again")

    runner = app.test_cli_runner()
    assert runner.invoke(asynchronous).output == "an_app\n"
    assert runner.invoke(plain).output == "an_app\nagain\n"
    assert decorator(decorator(len)) is not len


def test_double_context_is_one(app: Quart) -> None:
    ended: list[Any] = []
    app.teardown_appcontext(ended.append)

    @app.cli.command()
    @with_appcontext
    async def command() -> None:
        click.echo("ran")

    assert app.test_cli_runner().invoke(args=["command"]).output == "ran\n"
    assert ended == [None]


def test_async_command_from_an_async_test(app: Quart) -> None:
    @app.cli.command()
    async def command() -> None:
        await asyncio.sleep(0)
        click.echo(click.get_current_context().info_name)

    async def main() -> Result:
        return app.test_cli_runner().invoke(args=["command"])

    assert asyncio.run(main()).output == "command\n"


def test_group_of_ones_own(app: Quart) -> None:
    group = QuartGroup(create_app=lambda: app, add_default_commands=False, name="own")

    @app.cli.command()
    def from_app() -> None:
        click.echo("from the app")

    @group.command(with_appcontext=False)
    def own() -> None:
        click.echo("own")

    assert CliRunner().invoke(group, ["own"]).output == "own\n"
    assert CliRunner().invoke(group, ["from-app"]).output == "from the app\n"
    listing = CliRunner().invoke(group, ["--help"]).output
    assert "from-app" in listing
    assert "Run a development server" not in listing


def test_plugin_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    class EntryPoint:
        name = "from-plugin"

        @staticmethod
        def load() -> click.Command:
            return click.Command("x", callback=lambda: click.echo("plugged in"))

    monkeypatch.setattr(
        "quart.cli.entry_points", lambda group: [EntryPoint] if group == "quart.commands" else []
    )
    group = QuartGroup(name="test")
    assert CliRunner().invoke(group, ["from-plugin"]).output == "plugged in\n"


# routes


@pytest.fixture
def routed(app: Quart) -> Quart:
    @app.route("/b", methods=["GET", "POST"], endpoint="a")
    @app.websocket("/a", endpoint="c")
    async def view() -> str:
        return ""

    app.add_url_rule("/c", "b", view, methods=["DELETE"])
    return app


def routes(app: Quart, *args: str) -> list[list[str]]:
    result = app.test_cli_runner().invoke(cli, ["routes", *args])
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


@pytest.mark.parametrize(
    ("sort", "endpoints"),
    [
        ("endpoint", ["a", "b", "c", "static"]),
        ("methods", ["b", "static", "a", "c"]),
        ("rule", ["c", "a", "b", "static"]),
        ("domain", None),
        ("match", None),
    ],
)
def test_routes(routed: Quart, sort: str, endpoints: list[str] | None) -> None:
    head, line, *rows = routes(routed, "--sort", sort)
    assert head == ["Endpoint", "Methods", "Rule"]
    assert set("".join(line)) == {"-"}
    if endpoints is None:
        endpoints = [rule.endpoint for rule in routed.url_map.iter_rules()]
    assert [row[0] for row in rows] == endpoints
    assert ["a", "GET,", "POST", "/b"] in rows
    assert ["c", "WEBSOCKET", "/a"] in rows


def test_routes_with_all_methods(routed: Quart) -> None:
    assert ["b", "DELETE,", "OPTIONS", "/c"] in routes(routed, "--all-methods")


@pytest.mark.parametrize("host_matching", [False, True])
def test_routes_with_domains(host_matching: bool) -> None:
    app = Quart("an_app", host_matching=host_matching, static_folder=None)
    where: Any = {"host": "example.com"} if host_matching else {"subdomain": "sub"}
    app.add_url_rule("/", "index", **where)
    head, _, row = routes(app)
    assert head[2] == ("Host" if host_matching else "Subdomain")
    assert row[2] == next(iter(where.values()))


def test_no_routes() -> None:
    app = Quart("an_app", static_folder=None)
    assert routes(app) == [["No", "routes", "were", "registered."]]


def test_blueprint_commands(app: Quart) -> None:
    blueprint = Blueprint("shop", __name__)

    @blueprint.cli.command()
    async def restock() -> None:
        click.echo(current_app.name)

    app.register_blueprint(blueprint)
    assert app.test_cli_runner().invoke(args=["shop", "restock"]).output == "an_app\n"


# shell


def shell(app: Quart, text: str) -> str:
    result = app.test_cli_runner().invoke(cli, ["shell"], input=text)
    assert result.exit_code == 0, result.output
    return result.output


def test_shell(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "__interactivehook__", raising=False)
    app.shell_context_processor(lambda: {"answer": 42})
    Path("startup.py").write_text("started = 'yes'")
    monkeypatch.setenv("PYTHONSTARTUP", "startup.py")
    output = shell(
        app,
        "import asyncio\n"
        "from quart import current_app, g\n"
        "current_app.name + '!'\n"
        "await asyncio.sleep(0, answer)\n"
        "g.kept = 'kept in g'\n"
        "g.kept\n"
        "task = asyncio.create_task(asyncio.sleep(0, 'from a task'))\n"
        "await task\n"
        "for i in range(2):\n"
        "    await asyncio.sleep(0)\n"
        "    print('loop', i)\n"
        "\n"
        "1 / 0\n"
        "started\n",
    )
    assert "App: an_app" in output
    for expected in ("an_app!", "42", "kept in g", "from a task", "loop 1", "yes"):
        assert expected in output
    assert "ZeroDivisionError" in output
    assert "_commands.py" not in output  # the traceback starts at the user's line


def test_shell_can_be_left(app: Quart) -> None:
    ended = []
    app.teardown_appcontext(lambda error: ended.append(True))
    result = app.test_cli_runner().invoke(cli, ["shell"], input="exit(3)\nprint('not' + 'here')\n")
    assert result.exit_code == 3
    assert "nothere" not in result.output
    assert ended == [True]


# run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(
        "quart._serving.server.run_app", lambda load, options, **more: calls.append((options, more))
    )
    return calls


def test_run(served: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    write_app("mine.py")
    Path("cert").touch()
    monkeypatch.setenv("QUART_RUN_PORT", "81")
    args = ["--host", "::1", "--cert", "cert", "--keyfile", "cert", "--debug"]
    assert invoke("--app", "mine", "run", *args).exit_code == 0
    ((options, more),) = served
    assert (options.host, options.port) == ("::1", 81)
    assert (options.certfile, options.keyfile) == ("cert", "cert")
    assert more == {"name": "mine", "framework": "Quart", "use_reloader": True}


@pytest.mark.parametrize(
    ("args", "expected"),
    [([], False), (["--debug"], True), (["--debug", "--no-reload"], False), (["--reload"], True)],
)
def test_run_reloads_in_debug_mode(args: list[str], expected: bool, served: list[Any]) -> None:
    assert invoke("run", *args).exit_code == 0
    assert served[0][1]["use_reloader"] is expected


def test_run_wants_both_files() -> None:
    Path("cert").touch()
    result = invoke("run", "--certfile", "cert")
    assert result.exit_code == 2
    assert "Give both or neither" in result.output


def test_run_wants_a_port_that_there_is() -> None:
    write_app()
    result = invoke("run", "--port", "65536")
    assert result.exit_code == 2
    assert "0<=x<=65535" in result.output


def test_run_command_can_be_part_of_another_group() -> None:
    assert {parameter.name for parameter in run_command.params} == {
        "debug",
        "host",
        "port",
        "certfile",
        "keyfile",
        "reload",
    }


def test_run_without_an_app() -> None:
    result = invoke("run")
    assert result.exit_code == 2
    assert "Could not locate a Quart application" in result.output


def test_failing_start_ends_the_command() -> None:
    write_app(code="@app.before_serving\nasync def fail():\n  raise ValueError('no database')\n")
    result = invoke("run", "--port", "0")
    assert result.exit_code == 1
    assert "Error: Lifespan failure in startup. 'no database'" in result.output


def test_address_in_use_ends_the_command() -> None:
    write_app()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = invoke("run", "--port", str(port))
    assert result.exit_code == 1
    assert f"Error: Port {port} on 127.0.0.1 is in use by another program." in result.output
    assert f"--port {port + 1}" in result.output


def test_module_is_the_command() -> None:
    write_app()
    result = subprocess.run(
        [sys.executable, "-m", "quart", "routes"], capture_output=True, text=True, check=True
    )
    assert "/static/<path:filename>" in result.stdout
    assert import_module("quart.__main__").main is import_module("quart.cli").main
