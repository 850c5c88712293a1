"""Notices that the `quart` which is found is not the one that the layer belongs to."""

from __future__ import annotations

import quart

if getattr(quart, "__distribution__", None) != "quart-flask-patch":
    raise ImportError(
        "Expected the package 'quart' of quart-flask-patch, got"
        f" {quart.__file__ or 'what is left of it: a folder without its __init__.py'}. PyPI's Quart"
        " has been installed, over it or beside it, or has been uninstalled and took files of it"
        " away. Run `pip uninstall -y quart quart-flask-patch`, then install quart-flask-patch as"
        " you did before; a package that requires Quart does not bring it along if it is installed"
        " with `pip install --no-deps`.",
        name="quart",
        path=quart.__file__,
    )
