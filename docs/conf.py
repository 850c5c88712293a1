"""Sphinx configuration."""

import inspect
import re
from importlib.metadata import version as version_of
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from compat_matrix import _committed, _html
from quart import Blueprint, Quart

project = "quart-flask-patch"
author = "the quart-flask-patch contributors"
copyright = author
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_search_scorer = str(Path(__file__).with_name("scorer.js"))
html_favicon = "examples/notes/static/icon.svg"
# A prompt is not part of what is copied.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
html_title = project
html_theme_options = {"navigation_with_keys": True}

# Contracts are docstrings and types are in the signature. What we inherit from Flask and Werkzeug
# is documented by them; the build works without a network, so nothing refers to their pages.
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
autodoc_preserve_defaults = True
# `name` in a docstring is code, as it is on these pages.
default_role = "code"
nitpick_ignore_regex = [
    ("py:.*", r"(asyncio|click|flask|hypercorn|jinja2|markupsafe|quart|werkzeug)\..*"),
    ("py:(class|exc|meth)", r"\w+"),
]

OURS = {
    name
    for documented in (Quart, Blueprint)
    for base in documented.__mro__
    if base.__module__.startswith("quart.")
    for name in vars(base)
}


def write_as_rst(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn fenced code and the section ``Raises:`` of a docstring into reStructuredText.

    Napoleon knows the section, but takes any "words:" at the start of a property's docstring for
    its type.
    """
    text = "\n".join(lines)
    text = re.sub(r"(?ms)^```(\w+)\n(.*?)^```$", write_code, text)
    text = re.sub(r"(?ms)^Raises:\n(.*?)(?=^\S|\Z)", write_raises, text)
    lines[:] = text.splitlines()


def skip_flasks(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what an application and a blueprint inherit from Flask, whose pages have it."""
    # Its value would be shown with the path that it has on this machine.
    if inspect.ismodule(obj):
        return True
    # Sphinx 8 has it by the first of these names, Sphinx 9 by the second.
    inherits = options.get("inherited-members") or options.get("inherited_members")
    return True if inherits and name not in OURS else None


def write_code(block: re.Match[str]) -> str:
    return f".. code-block:: {block[1]}\n\n{indent(block[2], '   ')}"


def write_raises(section: re.Match[str]) -> str:
    fields = re.sub(r"(?m)^(\w[\w.]*):", r":raises \1:", dedent(section[1]))
    return f"\n{fields}\n"


def write_matrix(app: Any, error: Exception | None) -> None:
    """Put the committed results beside the pages, with all that the table has no room for."""
    if error is None and app.builder.format == "html":
        page = _html.page(list(_committed.load_committed().values()), among_pages=True)
        (app.outdir / "matrix-details.html").write_text(page, "utf-8")


def setup(app: Any) -> None:
    app.connect("build-finished", write_matrix)
    app.connect("autodoc-process-docstring", write_as_rst)
    app.connect("autodoc-skip-member", skip_flasks)
