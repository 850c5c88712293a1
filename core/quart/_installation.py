"""Notices, when `quart` is imported, that files of PyPI's Quart or Quart-Flask-Patch are mixed in.

An installer that knows the distributions replaces one `quart` by the other, whole. Files are mixed
where it does not: in a folder that `pip install --target` fills, in an image whose layers are laid
over each other, and where this project's first releases, one distribution with both packages, were
updated.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType

#: The distribution of each package, as its `__distribution__` says.
DISTRIBUTIONS = {"quart": "quart", "quart_flask_patch": "quart-flask-patch"}

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
    "Run `pip uninstall -y quart quart-flask-patch`, then install both again as you did before,"
    " such as by `pip install ./core .` at the top of a clone."
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
                f"Expected the package {package!r} of the project quart-flask-patch, got that of"
                f" PyPI's {stranger} ({module.__file__}) beside modules of ours ({folder})."
                f" {ADVICE}",
                name=package,
                path=module.__file__,
            )
        stray = os.path.join(folder, path)
        if os.path.exists(stray):
            warnings.warn(
                f"Expected {package!r} to hold the files of the project quart-flask-patch alone,"
                f" got one of PyPI's {stranger} too ({stray}): uninstalling or updating either"
                f" breaks both. {ADVICE}",
                RuntimeWarning,
                stacklevel=4,
            )


def is_ours(module: ModuleType) -> bool:
    """Whether *module* is this project's; PyPI's packages do not name their distribution."""
    return getattr(module, "__distribution__", None) == DISTRIBUTIONS[module.__name__]


check(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.modules)
