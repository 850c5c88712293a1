"""Every question to every server: the same answer, except for the differences that are named."""

from collections.abc import Callable

import pytest

from ._differences import DIFFERENCES, GAPS
from ._questions import Question, QUESTIONS
from ._servers import Serving, SERVINGS


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_answer(
    question: Question,
    serving: Serving,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("question", question.name)
    record_property("server", serving.name)
    if gap := GAPS.get((serving.name, str(question))):
        request.applymarker(pytest.mark.xfail(reason=gap))
    client = request.getfixturevalue("rooted_client" if question.rooted else "client")
    difference = DIFFERENCES.get((serving.name, str(question)))
    expected = difference.seen if difference else question.expected
    assert question.ask(client) == expected
    # A difference that is none would make the table a lie.
    assert difference is None or difference.seen != question.expected


def test_differences_are_of_servers_and_questions_that_exist() -> None:
    servers, questions = {one.name for one in SERVINGS}, {str(one) for one in QUESTIONS}
    for server, question in [*DIFFERENCES, *GAPS]:
        assert server in servers
        assert question in questions
