"""Run the whole check."""

from __future__ import annotations

from pathlib import Path

from .application import check_application
from .environment import check_environment, installed
from .extensions import check_extensions, installed_extensions, required_extensions
from .findings import Report
from .source import check_source


def check_all(
    path: Path | None, app: str | None, requirements: Path | None, timeout: float
) -> Report:
    report, packages, own_loop = Report(), installed(), False
    report.add(check_environment(packages))
    if requirements is None:
        report.add(check_extensions(installed_extensions(packages)))
    else:
        report.add(check_extensions(required_extensions(requirements, packages)))
    if app is not None:
        findings, own_loop = check_application(app, timeout)
        report.add(findings)
    if path is not None:
        findings, report.views = check_source(path, own_loop)
        report.add(findings)
    return report
