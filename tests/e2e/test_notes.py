"""The pages and the API of the notes, the same on plain Flask and on the layer."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from ._client import errors_in, flashes_in, notes_in, PASSWORD, Person
from ._server import environment, EXAMPLES, LIVE, PLAIN, run_module, runner, Serving, serving_notes


def location(response: httpx.Response) -> str:
    assert response.status_code == 302, response.text
    return response.headers["Location"]


# --- Accounts ------------------------------------------------------------------------------------


def test_a_wrong_csrf_token_is_refused(stranger: Person) -> None:
    page = stranger.submit("/auth/register", csrf_token="wrong", name="ada")
    assert page.status_code == 400
    assert "The CSRF token is invalid." in page.text


def test_a_missing_csrf_token_is_refused(user: Person) -> None:
    page = user.http.post("/new", data={"title": "Forged"})
    assert page.status_code == 400
    assert "The CSRF token is missing." in page.text
    assert notes_in(user.http.get("/")) == {}


def test_register_and_log_in(stranger: Person) -> None:
    assert flashes_in(stranger.register()) == ["Welcome! You can log in now."]
    page = stranger.log_in()
    assert page.url.path == "/"
    assert flashes_in(page) == [f"Hello, {stranger.name}!"]
    assert f"Log out {stranger.name}" in page.text


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"name": ""}, ["Choose a name."]),
        ({"name": "x"}, ["A name has 2 to 40 characters."]),
        ({"name": "a b"}, ["Use letters, digits, dots, dashes and underscores."]),
        ({"password": "short", "confirm": "short"}, ["A password has at least 8 characters."]),
        ({"confirm": "other"}, ["The passwords differ."]),
    ],
    ids=["no name", "short name", "odd name", "short password", "other password"],
)
def test_the_form_says_what_is_wrong(
    stranger: Person, fields: dict[str, str], errors: list[str]
) -> None:
    page = stranger.register(**fields)
    assert page.status_code == 200
    assert errors_in(page) == errors


def test_a_name_is_given_once(stranger: Person) -> None:
    stranger.register()
    assert errors_in(stranger.register()) == ["This name is taken."]


def test_a_wrong_password_is_refused(stranger: Person) -> None:
    stranger.register()
    assert flashes_in(stranger.log_in(password="wrong horse")) == ["Name or password is wrong."]
    assert location(stranger.http.get("/")) == "/tour/"


def test_login_leads_to_the_page_asked_for(stranger: Person) -> None:
    stranger.register()
    login_page = location(stranger.http.get("/new"))
    assert login_page == "/auth/login?next=%2Fnew"
    assert stranger.log_in(login_page).url.path == "/new"


@pytest.mark.parametrize("target", ["//elsewhere.test/", "https://elsewhere.test/", "/\\elsewhere"])
def test_login_leads_nowhere_else(stranger: Person, target: str) -> None:
    stranger.register()
    data = {"csrf_token": stranger.token(), "name": stranger.name, "password": PASSWORD}
    answer = stranger.http.post("/auth/login", params={"next": target}, data=data)
    assert location(answer) == "/"


def test_log_out(user: Person) -> None:
    page = user.submit("/auth/logout")
    assert flashes_in(page) == ["You are logged out."]
    assert location(user.http.get("/")) == "/tour/"


# --- Notes ---------------------------------------------------------------------------------------


def test_write_edit_and_delete_a_note(user: Person) -> None:
    page = user.write("Shopping", "Milk & <bread>")
    assert flashes_in(page) == ["The note is saved."]
    assert "Milk &amp; &lt;bread&gt;" in page.text
    note_id = notes_in(page)["Shopping"]

    form = user.http.get(f"/{note_id}/edit")
    assert 'value="Shopping"' in form.text
    page = user.submit(f"/{note_id}/edit", title="Shopping, later", body="Käse")
    assert notes_in(page) == {"Shopping, later": note_id}
    assert "Käse" in page.text

    page = user.submit(f"/{note_id}/delete")
    assert flashes_in(page) == ["The note is deleted."]
    assert notes_in(page) == {}


def test_a_note_needs_a_title(user: Person) -> None:
    assert errors_in(user.write("")) == ["A note needs a title."]


def test_search(user: Person) -> None:
    user.write("Apples")
    user.write("Pears")
    assert set(notes_in(user.http.get("/", params={"q": "appl"}))) == {"Apples"}
    assert "Nothing found." in user.http.get("/", params={"q": "%"}).text


def test_others_see_what_is_shared_and_change_nothing(user: Person) -> None:
    private = notes_in(user.write("Private"))["Private"]
    shared = notes_in(user.write(f"Shared by {user.name}", shared="y"))[f"Shared by {user.name}"]
    with Person(user.url) as other:
        other.register()
        seen = notes_in(other.log_in())
        assert seen[f"Shared by {user.name}"] == shared
        assert private not in seen.values()
        assert other.http.get(f"/{private}/edit").status_code == 404
        assert other.http.get(f"/{shared}/edit").status_code == 403
        assert other.submit(f"/{shared}/delete").status_code == 403
    user.submit(f"/{shared}/delete")


# --- The API -------------------------------------------------------------------------------------


def test_the_api_keeps_notes(user: Person) -> None:
    made = user.call("POST", "/api/notes/", {"title": "From afar", "body": "über JSON"})
    assert made.status_code == 201
    note = made.json()
    assert made.headers["Location"] == note["url"]
    assert note["author"] == user.name

    path = note["url"]
    assert user.http.get(path).json() == note
    changed = user.call("PATCH", path, {"title": "From near"})
    assert changed.json() == {**note, "title": "From near"}
    assert user.http.get("/api/notes/").json()[0]["title"] == "From near"
    gone = user.call("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert user.http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "A note needs a title."),
        (["title"], "Send a JSON object."),
        ({"title": 5}, "The field 'title' takes a str."),
        ({"colour": "red"}, "A note has no field 'colour'."),
    ],
    ids=["empty", "list", "number", "unknown"],
)
def test_the_api_says_what_is_wrong(user: Person, sent: object, message: str) -> None:
    answer = user.call("POST", "/api/notes/", sent)
    assert answer.status_code == 422
    assert answer.json() == {"error": "Unprocessable Entity", "message": message}


def test_the_api_answers_strangers_and_forgers_in_json(user: Person) -> None:
    assert user.http.post("/api/notes/", json={}).json()["message"] == "The CSRF token is missing."
    with httpx.Client(base_url=user.url, trust_env=False, verify=False) as nobody:
        answer = nobody.get("/api/notes/")
    assert answer.status_code == 401
    assert answer.json()["error"] == "Unauthorized"


# --- The async view ------------------------------------------------------------------------------


def test_the_summary_needs_a_login(stranger: Person) -> None:
    assert location(stranger.http.get("/summary")) == "/auth/login?next=%2Fsummary"


def test_the_summary_awaits_and_reads_the_database(user: Person) -> None:
    user.write("One", "walking through gardens")
    user.write("Two", "gardens with trees")
    page = user.http.get("/summary")
    assert page.status_code == 200
    assert '<dd id="own">2</dd>' in page.text
    assert '<dd id="words">6</dd>' in page.text
    assert "<li>gardens (2)</li>" in page.text
    assert page.elapsed.total_seconds() >= 0.3


# --- What every site has -------------------------------------------------------------------------


def test_static_files(stranger: Person) -> None:
    answer = stranger.http.get("/static/notes.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.content == (EXAMPLES / "notes" / "static" / "notes.css").read_bytes()
    again = stranger.http.get(
        "/static/notes.css", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_that_is_not_there(stranger: Person) -> None:
    page = stranger.http.get("/nowhere")
    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text
    assert stranger.http.get("/api/nowhere").json()["error"] == "Not Found"


def test_a_method_that_is_not_allowed(stranger: Person) -> None:
    answer = stranger.http.delete("/auth/login")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_headers_of_every_answer(stranger: Person) -> None:
    for path in ("/auth/login", "/nowhere", "/static/notes.css"):
        headers = stranger.http.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"


@contextmanager
def without_notes(database: Path) -> Iterator[None]:
    """Take the table of the notes away for a while."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE note RENAME TO note_away")
        connection.commit()
        yield
        connection.execute("ALTER TABLE note_away RENAME TO note")
        connection.commit()


@pytest.mark.parametrize("serving", [PLAIN, *LIVE], ids=str)
def test_an_error_in_a_view_is_a_page_and_a_log_entry(serving: Serving, tmp_path: Path) -> None:
    with serving_notes(serving, tmp_path) as server, Person(server.url) as user:
        assert server.database is not None
        user.register()
        user.log_in()
        with without_notes(server.database):
            pages = [user.http.get("/"), user.http.get("/summary")]
            answer = user.http.get("/api/notes/")
        for page in pages:
            assert page.status_code == 500
            assert "<h1>Internal Server Error</h1>" in page.text
        assert (answer.status_code, answer.json()["error"]) == (500, "Internal Server Error")
        assert user.http.get("/").status_code == 200
    assert server.output().count("Traceback") >= 3
    assert "no such table: note" in server.output()


@pytest.mark.parametrize("command", [["flask", "--app", "notes:create_app"], None])
def test_init_db_empties_the_database(command: list[str] | None, tmp_path: Path) -> None:
    database = tmp_path / "notes.sqlite"
    env = environment("", NOTES_DATABASE=str(database))
    run = [*(command or runner("notes:create_app")), "init-db"]
    run_module(run, EXAMPLES, env)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO user (name, password_hash) VALUES ('ada', 'x')")
        connection.commit()
        assert "empty and ready" in run_module(run, EXAMPLES, env)
        assert connection.execute("SELECT count(*) FROM user").fetchone() == (0,)


def test_a_restart_logs_nobody_out(tmp_path: Path) -> None:
    ask = "from notes import create_app; print(create_app().secret_key)"
    env = environment(NOTES_DATABASE=str(tmp_path / "notes.sqlite"))
    first, second = (
        subprocess.run(
            [sys.executable, "-c", ask], cwd=EXAMPLES, env=env, capture_output=True, check=True
        ).stdout.strip()
        for _ in range(2)
    )
    assert first == second
    assert len(first) == 64


# --- The start page ------------------------------------------------------------------------------


def test_a_stranger_is_shown_around(stranger: Person) -> None:
    page = stranger.http.get("/", follow_redirects=True)
    assert page.url.path == "/tour/"
    assert "an ordinary Flask application" in page.text


def test_an_account_with_notes_is_there(stranger: Person) -> None:
    page = stranger.submit("/tour/log-in")
    assert flashes_in(page) == ["You are Ada now, who has written some notes."]
    assert {"Welcome", "Where this runs", "Nothing was changed"} <= set(notes_in(page))


def test_nobody_logs_into_it_by_a_password(stranger: Person) -> None:
    for password in ("", "Ada", " "):
        stranger.submit("/auth/login", name="Ada", password=password)
        assert location(stranger.http.get("/")) == "/tour/"


def test_views_say_where_they_run(stranger: Person) -> None:
    assert stranger.http.get("/tour/async").json()["on_loop"] is True
    assert stranger.http.get("/tour/plain").json()["thread"]
