"""What the page on security promises, and the tests that hold it.

Each sentence of these parts of the page stands here by its beginning. One that is added, or put
otherwise, wants tests, or a word on why it needs none; a test that is renamed is missed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from test_project import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PARTS = ("What you may rely on", "Websockets from other sites")

GUARDS = "layer/test_guards.py"
ORIGINS = "core/test_origins.py"
SHORT_WAYS = "core/test_short_ways.py"
HOSTILE = "servers/test_hostile.py"
IDENTITIES = "soak/test_identities.py"
#: It explains, or tells what is not ours.
SAYS_WHY: tuple[str, ...] = ()

PROMISES: dict[str, tuple[str, ...]] = {
    "Each line has tests": ("test_promises.py::test_a_sentence_has_tests",),
    "What a `before_request` or": (
        f"{GUARDS}::test_who_is_not_let_in_sees_nothing",
        f"{GUARDS}::test_what_a_hook_gives_answers_the_handshake",
        f"{GUARDS}::test_a_guard_may_close",
        "core/test_pipeline.py::test_what_before_returns_answers",
    ),
    "In a `Flask` application under the layer": (
        f"{GUARDS}::test_hooks_run_in_order",
        f"{GUARDS}::test_flask_login_guards",
        f"{GUARDS}::test_a_path_without_a_route_is_guarded_as_well",
    ),
    "`g`, `session`, `request` and `current_user`": (
        f"{IDENTITIES}::test_users_on_one_connection",
        "core/test_server_context.py::test_nothing_of_a_request_is_caught_by_the_server",
        "core/test_server_context.py::test_a_context_that_has_been_left_is_no_outer_one",
        "layer/test_wsgi.py::test_a_server_that_refuses_the_answer_is_left_nothing_of_the_request",
    ),
    "The tests ask nine": (f"{IDENTITIES}::test_users_on_one_connection",),
    "`python -m tests.soak identities`": (f"{IDENTITIES}::test_users_by_chance",),
    "Sessions are signed as Flask's are": (
        f"{SHORT_WAYS}::test_a_session_is_signed_as_flask_signs_it",
        f"{SHORT_WAYS}::test_a_session_is_set_as_flask_sets_it",
        f"{SHORT_WAYS}::test_the_cookie_that_werkzeug_finds_is_found",
    ),
    "Both sides accept the same": (
        f"{SHORT_WAYS}::test_a_forged_session_is_believed_by_both_or_by_none",
        "core/test_sessions.py::test_flask_reads_our_cookie_and_we_read_flasks",
    ),
    "`MAX_CONTENT_LENGTH` counts what": (
        "core/test_body.py::test_the_limit_counts_what_arrived",
        "layer/test_input.py::test_the_limit_holds_for_a_body_without_a_length",
    ),
    "What a form or a header costs": (
        "core/test_formparser.py::test_a_hostile_form_takes_no_longer_than_an_ordinary_one",
        "layer/test_costs.py::test_a_long_header_is_soon_read",
        "layer/test_costs.py::test_an_expression_of_ours_is_soon_done",
    ),
    "Of a websocket's messages": (
        f"{HOSTILE}::test_a_flood_of_messages_is_not_kept",
        "core/test_unread.py::test_a_websocket_that_nobody_receives_from_is_closed",
    ),
    "What an extension receives": SAYS_WHY,
    "Flask-Sock keeps all of it": SAYS_WHY,
    "What nobody handles is logged": (
        "core/test_pipeline.py::test_an_error_in_any_stage_is_a_500_and_tears_everything_down_once",
        "core/test_debug.py::test_without_debug_mode_nobody_shows_it",
    ),
    "Source is shown by": (
        "core/test_debug.py::test_no_other_server_shows_it",
        "layer/test_debug_page.py::test_the_development_server_shows_variables_here",
        "layer/test_debug_page.py::test_other_servers_show_nothing_though_debug_mode_is_on",
    ),
    "It knows the machine by": (
        "core/test_debug.py::test_a_client_with_another_address_is_elsewhere",
        "core/test_debug.py::test_a_page_from_elsewhere_in_a_browser_here_is_elsewhere",
        "core/test_debug.py::test_a_client_behind_a_proxy_is_elsewhere",
    ),
    "A proxy that adds none": SAYS_WHY,
    "Neither its value nor its name": (
        "core/test_response.py::test_a_line_break_cannot_get_into_a_header",
        "core/test_asgi.py::test_what_cannot_be_the_name_of_a_header_is_not_sent",
        "layer/test_middleware.py::test_a_header_stays_one",
    ),
    "An odd target, host": (
        "layer/test_hostile_clients.py::test_requests",
        "layer/test_hostile_clients.py::test_websockets",
        f"{HOSTILE}::test_odd_requests_have_an_answer",
    ),
    "A browser lets a page": SAYS_WHY,
    "There is no same-origin": SAYS_WHY,
    "So a session cookie alone": SAYS_WHY,
    "`SESSION_COOKIE_SAMESITE` helps": SAYS_WHY,
    "The browser says in": SAYS_WHY,
    "Say which you trust": ("test_docs.py::test_examples",),
    "A handshake from elsewhere": (
        f"{ORIGINS}::test_any_other_is_refused_before_anything_runs",
        f"{GUARDS}::test_a_page_of_another_site_meets_nothing_of_the_application",
    ),
    '`"same"` is the site': (f"{ORIGINS}::test_the_same_site_is_that_of_url_for",),
    "Behind a proxy that is right": (
        f"{GUARDS}::test_behind_a_proxy_the_same_site_is_that_of_the_proxy",
    ),
    "An origin is a scheme": (f"{ORIGINS}::test_a_page_of_a_site_in_the_list_is_let_in",),
    "There are no patterns": (f"{ORIGINS}::test_a_value_that_means_nothing_is_said_at_start",),
    "A client that sends no `Origin`": (f"{ORIGINS}::test_who_names_no_origin_is_no_browser",),
    "Your guards find out": SAYS_WHY,
    "`null` is what a browser": SAYS_WHY,
    "It is refused unless": (f"{ORIGINS}::test_no_site_has_to_be_listed",),
    "Unset, the key lets": (f"{ORIGINS}::test_unless_it_is_configured_anybody_is_let_in",),
    "Set it wherever": SAYS_WHY,
    "It holds for `@app.websocket`": (
        f"{ORIGINS}::test_any_other_is_refused_before_anything_runs",
        f"{GUARDS}::test_a_page_of_another_site_meets_nothing_of_the_application",
    ),
    "Flask-SocketIO takes its": SAYS_WHY,
}

#: Keys of the table of what to set, for which more is promised than that they are there.
SETTINGS: dict[str, tuple[str, ...]] = {
    "SECRET_KEY": ("core/test_sessions.py::test_an_old_secret_key_still_opens",),
    "TRUSTED_HOSTS": (
        "core/test_ctx.py::test_a_request_of_an_untrusted_host_is_a_routing_error",
        "core/test_ctx.py::test_of_two_hosts_none_is_trusted",
    ),
    "WEBSOCKET_REQUEST_HOOKS": (f"{GUARDS}::test_the_hooks_of_requests_can_be_left_out",),
    "MAX_FORM_MEMORY_SIZE": ("layer/test_faces.py::test_the_limits_of_a_form_hold_on_both",),
    "BODY_TIMEOUT": (
        "layer/test_input.py::test_a_body_that_does_not_come_in_time",
        "layer/test_input.py::test_a_flask_application_has_the_cores_time",
    ),
}


def sentences() -> list[str]:
    """Return the sentences of the parts, without code, comments and what a point begins with."""
    parts = [PAGE.split(f"## {part}\n")[1].split("\n## ")[0] for part in PARTS]
    text = re.sub(r"```.*?```|<!--.*?-->", "", "\n\n".join(parts), flags=re.DOTALL)
    text = re.sub(r"\n- ", "\n\n", text)
    text = re.sub(r"\*\*(.+?)\*\*", lambda bold: bold[1] if bold[1][-1] == "," else "", text)
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return [
        sentence
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.:]) (?=[A-Z`])", paragraph)
        if sentence
    ]


@pytest.mark.parametrize("sentence", sentences(), ids=lambda sentence: sentence[:40])
def test_a_sentence_has_tests(sentence: str) -> None:
    assert [start for start in PROMISES if sentence.startswith(start)], "Name its tests above."


@pytest.mark.parametrize("start", PROMISES)
def test_what_has_tests_is_on_the_page(start: str) -> None:
    assert any(sentence.startswith(start) for sentence in sentences())


@pytest.mark.parametrize("key", SETTINGS)
def test_what_is_to_be_set_is_on_the_page(key: str) -> None:
    assert f"| `{key}`" in PAGE


NAMED = sorted({test for tests in (*PROMISES.values(), *SETTINGS.values()) for test in tests})


@pytest.mark.parametrize("test", NAMED)
def test_the_tests_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    source = (ROOT / Path("tests") / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE)
