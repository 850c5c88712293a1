"""Flask's test client, in the place of a server."""

from __future__ import annotations

from typing import Any

from ._scenarios import Answer, Headers, Scenario


def run(app: Any, scenario: Scenario, headers: Headers, count: int) -> Answer:
    """Make ``count`` requests one after another and return the last answer."""
    client = app.test_client(use_cookies=False)
    options: dict[str, Any] = {
        "method": scenario.method,
        "query_string": scenario.query.decode(),
        "headers": [(name.decode(), value.decode()) for name, value in headers],
        "data": b"".join(scenario.pieces),
    }
    for _ in range(count):
        response = client.open(scenario.path, **options)
        if response.status_code != 200:
            raise RuntimeError(f"expected 200, got {response.status}: {response.data[:80]!r}")
    found = tuple((name.encode(), value.encode()) for name, value in response.headers)
    return Answer(response.status_code, found, response.data)
