"""Find imported extensions that import Flask, and so need the layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import packages_distributions

from packaging.utils import canonicalize_name

from ..code import CodeBase
from ..environment import installed
from ..findings import Finding
from .outcome import said

_OURS = {"flask", "quart", "quart_flask_patch"}


def held_back(code: CodeBase) -> Iterator[Finding]:
    """Report the extensions, each at its first import."""
    packages, distributions = installed(), packages_distributions()
    seen = set()
    for place, name in _imported(code):
        if name in seen:
            continue
        seen.add(name)
        owners = [canonicalize_name(each) for each in distributions.get(name, ())]
        found = [packages[each] for each in owners if each in packages]
        needs = any(
            canonicalize_name(requirement.name) == "flask"
            for package in found
            for requirement in package.requirements()
        )
        if needs or (not found and name.startswith("flask_")):
            shown = f"{found[0].name} {found[0].version}" if found else name
            what = f"{shown} is an extension of Flask, and needs the layer"
            way = "stay on the layer, or take another one before you leave it"
            yield said("warning", "extension-of-flask", place, what, way)


def _imported(code: CodeBase) -> Iterator[tuple[str, str]]:
    for module in code.modules.values():
        for node in ast.walk(module.tree):
            place = f"{module.shown}:{getattr(node, 'lineno', 1)}"
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                if (top := name.partition(".")[0]) not in _OURS:
                    yield place, top
