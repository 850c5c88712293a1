"""Short ways beside the library's own: what either makes of the same random, often hostile, input.

A few hundred inputs each; `--hypothesis-profile=long` tries a million.
"""

from __future__ import annotations

from hypothesis import given, strategies as st

from quart._cookies import cookie_of
from quart.utils import decode_headers
from quart.wrappers.base import BaseRequestWebsocket

from .driver import scope_for


def connection_with(headers: list[tuple[bytes, bytes]]) -> BaseRequestWebsocket:
    scope = scope_for("http", headers=headers)
    raw = decode_headers(scope["headers"])
    return BaseRequestWebsocket("GET", "http", "/", b"", raw, "", "1.1", scope)  # type: ignore[arg-type]  # a dict


def pieces_of(*pieces: str) -> st.SearchStrategy[str]:
    """Text made of *pieces*, which may confuse who takes it apart, and of any characters."""
    anything = st.text(st.characters(max_codepoint=255), max_size=3)
    return st.lists(st.sampled_from(pieces) | anything, max_size=9).map("".join)


NAME = "session"
COOKIES = pieces_of(
    *(NAME, NAME[:-1], NAME[1:], "x", "=", "; ", ";", " ", "\t", '"', "\\", f"{NAME}=", "x=y; "),
    f"aaaaaa={NAME}; x",
    "aaaaaa=b; x",
)


@given(st.lists(COOKIES, min_size=1, max_size=2), st.sampled_from([NAME, "s", "__Host-s"]))
def test_the_cookie_that_werkzeug_finds_is_found(cookies: list[str], name: str) -> None:
    headers = [(b"cookie", cookie.encode("latin-1")) for cookie in cookies]
    assert cookie_of(connection_with(headers), name) == connection_with(headers).cookies.get(name)
