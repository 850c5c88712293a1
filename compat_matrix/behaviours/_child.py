"""Run as a script, beside whichever `quart` it is to try: print what each behaviour gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import _around  # noqa: F401
import _blueprints  # noqa: F401
import _bodies  # noqa: F401
import _channels  # noqa: F401
import _clients  # noqa: F401
import _contexts  # noqa: F401
import _errors  # noqa: F401
import _files  # noqa: F401
import _kit
import _requests  # noqa: F401
import _responses  # noqa: F401
import _settings  # noqa: F401
import _templates  # noqa: F401
import _websockets  # noqa: F401

if __name__ == "__main__":
    pages = {name: place for name, (place, _) in _kit.BEHAVIOURS.items()}
    json.dump({"pages": pages, "outcomes": _kit.outcomes()}, sys.stdout, indent=1)
