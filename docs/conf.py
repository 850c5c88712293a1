"""Sphinx configuration."""

import inspect
import os
import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _names import LinkNames

from compat_matrix import _committed, _html
from quart import Blueprint, Quart

project = "quart-flask-patch"
author = "the quart-flask-patch contributors"
copyright = author
release = version = version_of(project)

extensions = [
    *("myst_parser", "sphinx_copybutton"),
    *("sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.viewcode"),
]
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

# For whoever publishes: the address of these pages, with `{version}` in it, and what else there is,
# as "name=address name=address". A page then names its own address, and the side bar the others.
html_baseurl = os.environ.get("DOCS_ADDRESS", "").format(version=version)
html_context = {
    "versions": dict(item.split("=", 1) for item in os.environ.get("DOCS_VERSIONS", "").split())
}
templates_path = ["_templates"]
html_sidebars = {
    "**": [
        *(
            "sidebar/brand.html",
            "versions.html",
            "sidebar/search.html",
            "sidebar/scroll-start.html",
        ),
        *("sidebar/navigation.html", "sidebar/scroll-end.html", "sidebar/variant-selector.html"),
    ]
}

# What others document. The lists of it are files here, as the build works without a network.
PALLETS = "https://{}.palletsprojects.com/en/stable/"
ADDRESSES = {
    "python": "https://docs.python.org/3/",
    **{name: PALLETS.format(name) for name in ("flask", "werkzeug", "jinja", "click")},
}
INVENTORIES = Path(__file__).with_name("_inventories")
intersphinx_mapping = {
    name: (address, str(INVENTORIES / f"{name}.inv")) for name, address in ADDRESSES.items()
}

# Contracts are docstrings and types are in the signature. What we inherit from Flask and Werkzeug
# is documented by them.
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


#: Bases without a page in Flask's or Werkzeug's documentation, and the class there that inherits
#: from each.
WITH_A_PAGE = {
    "flask.sansio.app.App": "flask.Flask",
    "flask.sansio.blueprints.Blueprint": "flask.Blueprint",
    "werkzeug.sansio.request.Request": "flask.Request",
    "werkzeug.sansio.response.Response": "flask.Response",
    "flask.templating.Environment": "jinja2.Environment",
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
    if what in {"class", "exception"} and (base := foreign_base(obj)):
        lines += ["", f"Inherits from {base}.", ""]


def skip_flasks(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what an application and a blueprint inherit from Flask, whose pages have it."""
    # Its value would be shown with the path that it has on this machine.
    if inspect.ismodule(obj):
        return True
    # Sphinx 8 has it by the first of these names, Sphinx 9 by the second.
    inherits = options.get("inherited-members") or options.get("inherited_members")
    return True if inherits and name not in OURS else None


def foreign_base(kind: type) -> str | None:
    """Return the nearest base of *kind* that others document, as a link to its page."""
    for base in kind.__mro__[1:]:
        path = f"{base.__module__}.{base.__qualname__}"
        if path.startswith(("flask.", "werkzeug.", "click.", "jinja2.")):
            return f":py:class:`{path} <{WITH_A_PAGE.get(path, path)}>`"
    return None


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
    app.add_post_transform(LinkNames)
    app.connect("build-finished", write_matrix)
    app.connect("autodoc-process-docstring", write_as_rst)
    app.connect("autodoc-skip-member", skip_flasks)
