"""The notes in a real browser: forms, news and the websocket, as its user sees them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ._chromium import browsing, find_chromium, NAMES, Page
from ._client import PASSWORD, Person


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"no Chromium here: none of {', '.join(NAMES)} is on the PATH")
    with browsing(executable, tmp_path / "profile") as page:
        yield page


def text_of(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.textContent.trim()"


def log_in(page: Page, person: Person) -> None:
    page.open(f"{person.url}/auth/login?next=/live/")
    page.submit("main form", name=person.name, password=PASSWORD)
    page.wait_for_new_page()
    assert page.run("location.pathname") == "/live/"
    assert page.run(text_of(".flash")) == f"Hello, {person.name}!"


def test_news_and_the_websocket(page: Page, live_stranger: Person) -> None:
    live_stranger.register()
    log_in(page, live_stranger)
    page.wait_for(f"{text_of('#greeting')} === 'Hello, {live_stranger.name}!'")
    page.run("document.querySelector('#message').value = 'Anybody there?'")
    page.run("document.querySelector('#say button').click()")
    assert page.wait_for(text_of("#echoes li")) == "Anybody there?"

    page.wait_for("document.body.dataset.events === 'open'")
    with Person(live_stranger.url) as other:
        other.register()
        other.log_in()
        other.write("Meeting <at noon>", shared="y")
    assert page.wait_for(text_of("#news li")) == f"{other.name} wrote “Meeting <at noon>”"
    assert page.complaints == []


def test_a_stranger_is_greeted(page: Page, live_stranger: Person) -> None:
    page.open(f"{live_stranger.url}/live/")
    page.wait_for(f"{text_of('#greeting')} === 'Hello, stranger!'")
    assert page.run("'eventsUrl' in document.body.dataset") is False
    assert page.complaints == []


def test_a_form_shows_its_errors_beside_the_field(page: Page, stranger: Person) -> None:
    page.open(f"{stranger.url}/auth/register")
    page.submit("main form", name="x", password="short", confirm="short")
    page.wait_for_new_page()
    field = "document.querySelector('#name')"
    assert page.run(f"{field}.getAttribute('aria-invalid')") == "true"
    described = f"document.getElementById({field}.getAttribute('aria-describedby'))"
    assert page.run(f"{described}.textContent.trim()") == "A name has 2 to 40 characters."
    assert page.complaints == []


def test_the_start_page_shows_what_it_says(page: Page, live_stranger: Person) -> None:
    page.open(f"{live_stranger.url}/")
    page.wait_for(f"{text_of('#open')} === '1'")
    for kind in ("plain", "async"):
        page.run(f"document.querySelector('[data-ask$={kind}]').click()")
        page.wait_for(f"{text_of('#answers')}.startsWith('20 answers')")
    page.run("document.querySelector('#visitors button').click()")
    assert page.wait_for(text_of("#waves li")) == "A stranger waves."
    assert page.complaints == []


def test_the_start_page_compares_with_flask(page: Page, live_stranger: Person) -> None:
    page.open(f"{live_stranger.url}/tour/")
    page.run("document.querySelector('#comparison button').click()")
    page.wait_for("!document.querySelector('#comparison table').hidden")
    cells = page.run("[...document.querySelectorAll('#comparison td')].map((c) => c.textContent)")
    seconds = [float(cell.removesuffix(" s")) for cell in cells]
    flask_plain, flask_async, plain, asynchronous = seconds
    # What holds one of four threads takes five rounds of a tenth of a second.
    assert min(flask_plain, flask_async, plain) >= 0.5
    assert asynchronous < flask_async
    assert page.complaints == []


@pytest.mark.parametrize("width", [1200, 375])
def test_a_long_word_does_not_widen_the_page(page: Page, live_user: Person, width: int) -> None:
    live_user.write("Long " + "x" * 110, "y" * 2000, shared="y")
    log_in(page, live_user)
    page.command(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=False,
    )
    for path in ("/", "/summary", "/tour/"):
        page.open(live_user.url + path)
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), path
