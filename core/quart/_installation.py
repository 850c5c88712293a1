"""Check, when `quart` is imported, for files of PyPI's Quart or Quart-Flask-Patch mixed in.

An installer that knows the distributions replaces one `quart` by the other, as a whole. Files get
mixed where it does not know them: in a folder filled by `pip install --target`, in images with
layers on top of each other, and in updates from this project's first releases, which had both
packages in one distribution.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from types import ModuleType

#: The value of `__distribution__` in each package.
DISTRIBUTIONS = {"quart": "quart", "quart_flask_patch": "quart-flask-patch"}

# Files that only PyPI's Quart has, but which lie beside ours. If `quart/cli` is there twice, the
# folder goes before `cli.py`, so one of our modules is imported whoever's `quart/__init__.py` it
# is.
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
    """Look for files of the other distributions in *folder*, where our packages are.

    Raises:
        ImportError: if a package that is being imported is not ours.
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
