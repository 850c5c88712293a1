"""Notices, when `quart` is imported, that PyPI's Quart or Quart-Flask-Patch was installed over it.

Distributions that have files in common overwrite each other's, the last one wins, and no installer
says so. It happens unasked as well, when a package that requires Quart is installed.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType

DISTRIBUTION = "quart-flask-patch"

# A file that only the other one has, beside ours. Where both have installed `quart/cli`, the folder
# goes before `cli.py`, so one of our modules is imported whoever's `quart/__init__.py` it is.
STRANGERS = {
    "quart": ("Quart", os.path.join("quart", "cli.py")),
    "quart_flask_patch": (
        "Quart-Flask-Patch 0.x",
        os.path.join("quart_flask_patch", "_patch.py"),
    ),
}

ADVICE = (
    f"Only one of them can be installed. Run `pip uninstall -y quart {DISTRIBUTION}`, then install"
    f" {DISTRIBUTION} as you did before; a package that requires Quart does not bring it along if"
    " it is installed with `pip install --no-deps`."
)


def check(folder: str, modules: Mapping[str, ModuleType]) -> None:
    """Look for the other distributions' files in *folder*, where our packages are.

    Raises:
        ImportError: if one of the packages that are being imported is not ours.
    """
    for package, (stranger, path) in STRANGERS.items():
        module = modules.get(package)
        if module is not None and not is_ours(module):
            raise ImportError(
                f"Expected the package {package!r} of {DISTRIBUTION}, got that of PyPI's {stranger}"
                f" ({module.__file__}) beside modules of ours ({folder}). {ADVICE}",
                name=package,
                path=module.__file__,
            )
        stray = os.path.join(folder, path)
        if os.path.exists(stray):
            warnings.warn(
                f"Expected {package!r} to hold the files of {DISTRIBUTION} alone, got one of PyPI's"
                f" {stranger} too ({stray}): uninstalling or updating either breaks both. {ADVICE}",
                RuntimeWarning,
                stacklevel=4,
            )


def is_ours(module: ModuleType) -> bool:
    return getattr(module, "__distribution__", None) == DISTRIBUTION


check(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.modules)
