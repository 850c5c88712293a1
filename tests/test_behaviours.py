"""What a program written for Quart 0.22 sees here, compared with what it saw there.

`python -m compat_matrix.behaviours` asks Quart itself; here its answers are the committed ones.
"""

import sys
from typing import Any

import pytest

from compat_matrix.behaviours import __main__ as behaviours


@pytest.fixture(scope="module")
def here() -> dict[str, Any]:
    return behaviours.outcomes(sys.executable)


@pytest.fixture(scope="module")
def there() -> dict[str, Any]:
    return behaviours.committed()


def test_the_committed_outcomes_are_of_these_behaviours(
    here: dict[str, Any], there: dict[str, Any]
) -> None:
    assert here["pages"] == there["pages"]


@pytest.mark.parametrize("name", sorted(behaviours.committed()["outcomes"]))
def test_a_behaviour(name: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    found, expected = here["outcomes"][name], there["outcomes"][name]
    if name in behaviours.DIFFERENCES:
        assert found != expected, "It does not differ any more; take it out of DIFFERENCES."
    else:
        assert found == expected
