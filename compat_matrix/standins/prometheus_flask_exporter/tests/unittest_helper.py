# mypy: disable-error-code="import-not-found"
"""A stand-in for the base class that the sdist leaves out."""

from __future__ import annotations

import re
import unittest
from importlib.metadata import version
from typing import Any

from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_flask_exporter import PrometheusMetrics


def parsed(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


class BaseTestCase(unittest.TestCase):
    """An application with its client; ``metrics()`` adds the extension to it."""

    def setUp(self) -> None:
        self.app = Flask(__name__)
        self.app.testing = True
        self.client = self.app.test_client()

    def metrics(self, **kwargs: Any) -> PrometheusMetrics:
        registry = kwargs.pop("registry", CollectorRegistry(auto_describe=True))
        return PrometheusMetrics(self.app, registry=registry, **kwargs)

    def assumeMinimumFlaskVersion(self, least: str) -> None:
        if parsed(version("flask")) < parsed(least):
            self.skipTest(f"for Flask {least} and later")

    def assumeBeforeFlaskVersion(self, limit: str) -> None:
        if parsed(version("flask")) >= parsed(limit):
            self.skipTest(f"for Flask before {limit}")

    def samples(self, name: str, labels: tuple[Any, ...], endpoint: str) -> list[str]:
        """The values of the exported lines with this name and exactly these labels."""
        wanted = {f'{key}="{value}"' for key, value in labels}
        found = []
        for line in self.client.get(endpoint).get_data(as_text=True).splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                shown = set(re.findall(r'\w+="[^"]*"', match[2] or ""))
                found += [match[3]] if shown == wanted else []
        return found

    # The tests give a value as a regular expression, of which the start has to match.
    def assertMetric(
        self, name: str, value: object, *labels: Any, endpoint: str = "/metrics"
    ) -> None:
        found = self.samples(name, labels, endpoint)
        assert found, f"{name} with labels {labels} is not exported"
        assert any(re.match(str(value), item) for item in found), f"{name} is {found}, not {value}"

    def assertAbsent(self, name: str, *labels: Any, endpoint: str = "/metrics") -> None:
        found = self.samples(name, labels, endpoint)
        assert not found, f"{name} with labels {labels} is exported: {found}"
