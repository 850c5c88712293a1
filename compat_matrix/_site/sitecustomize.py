"""Python runs this at start in a suite's process, and in every Python process it starts.

It makes exactly the packages of COMPAT_MATRIX_PACKAGES importable. Putting this checkout on
PYTHONPATH instead would also offer its ``tests`` package to suites that import their own.
It also limits the memory of the process, and so of those that the process starts.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType


class Packages(MetaPathFinder):
    """Finds top-level packages in the folders it was given, and nothing else."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folder = self.folders.get(fullname)
        if folder is None:
            return None
        return spec_from_file_location(
            fullname, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
        )


def limit_memory(size: int) -> None:
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        size = min(size, most)
    with suppress(ValueError, OSError):  # macOS has the limit but does not let it be set
        resource.setrlimit(resource.RLIMIT_AS, (size, most))


if sys.platform != "win32" and "COMPAT_MATRIX_MEMORY" in os.environ:
    limit_memory(int(os.environ["COMPAT_MATRIX_MEMORY"]))

if "COMPAT_MATRIX_PACKAGES" in os.environ:
    sys.meta_path.insert(0, Packages(json.loads(os.environ["COMPAT_MATRIX_PACKAGES"])))

# Set by the plugin once pytest runs on the layer: a suite that starts `flask ...` in a process of
# its own is to find the layer there too.
if os.environ.get("COMPAT_MATRIX_CHILD") == "layer":
    import quart_flask_patch  # noqa: F401
