"""Run a test suite on the layer: ``python -m pytest -p quart_flask_patch.pytest_plugin``.

With ``-p`` or in ``addopts``, pytest imports it before the suite and before plugins that import
Flask. The report ends with how many tests sent a request to an application.
"""

from __future__ import annotations

import os

import pytest

from quart.testing._arrivals import on_each_arrival

from . import __distribution__
from ._announcement import versions
from ._places import PLACES, VARIABLE
from ._watching import in_tests
from ._wsgi import through_server

PROPERTY = "asgi_requests"  # In a test's report, and so in JUnit's XML.

arrived = 0
arrived_before = 0  # The count when the current test began.


def count() -> None:
    global arrived
    arrived += 1


on_each_arrival(count)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sync-place",
        choices=PLACES,
        help="where requests with a plain view run, whatever the application's configuration says",
    )
    parser.addoption(
        "--through",
        choices=("client", "server"),
        default="client",
        help="how requests of Flask's client reach an application: by plain calls in the test's own"
        " thread, or as a server's do, as ASGI on a loop in another thread",
    )
    in_tests.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--through") == "server":
        through_server.install()
    if place := config.getoption("--sync-place"):
        os.environ[VARIABLE] = place
    in_tests.configure(config)


def pytest_report_header() -> str:
    place = os.environ.get(VARIABLE, "")
    return f"{versions()}{place and f', plain views: {place}'}"


def pytest_runtest_logstart() -> None:
    global arrived_before
    arrived_before = arrived


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.when == "teardown" and arrived > arrived_before:
        item.user_properties.append((PROPERTY, arrived - arrived_before))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    ended = [report for report in reports if getattr(report, "when", "") == "teardown"]
    served = sum(PROPERTY in dict(report.user_properties) for report in ended)
    terminalreporter.write_line(
        f"{__distribution__}: {served} of {len(ended)} tests sent a request to an application"
    )
