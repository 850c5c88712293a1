"""The page shown for an error in debug mode."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart.debug import TEMPLATE, traceback_response


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no repr")


def fail(secret: Any) -> None:
    unprintable = Unprintable()
    assert isinstance(unprintable, Unprintable)
    try:
        int("x")
    except ValueError as error:
        raise LookupError("<script>alert(1)</script>") from error


def page_for(error: BaseException) -> tuple[int, str]:
    async def main() -> tuple[int, str]:
        response = await traceback_response(error)
        return response.status_code, await response.get_data(as_text=True)

    return asyncio.run(main())


def test_it_shows_the_error_its_source_its_variables_and_its_cause() -> None:
    with pytest.raises(LookupError) as caught:
        fail("the <b>secret</b>")
    status, page = page_for(caught.value)
    assert status == 500
    assert "LookupError" in page
    assert "in <b>fail</b>" in page
    assert "raise LookupError(" in page
    assert "the &lt;b&gt;secret" in page
    assert "invalid literal for int()" in page
    # What an attacker can get into a message is not run in the developer's browser.
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_innermost_frame_comes_first() -> None:
    with pytest.raises(LookupError) as caught:
        fail(1)
    _, page = page_for(caught.value)
    assert page.index("in <b>fail</b>") < page.index(
        "in <b>test_the_innermost_frame_comes_first</b>"
    )


def test_code_without_source_is_no_problem() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("1 / 0", "<no file>", "exec"))
    assert "&lt;no file&gt;" in page_for(caught.value)[1]


def test_an_error_that_was_never_raised_has_no_frames() -> None:
    status, page = page_for(KeyError("k"))
    assert status == 500
    assert "<section>" not in page


def test_the_template_is_text() -> None:
    assert isinstance(TEMPLATE, str)
