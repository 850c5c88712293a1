"""What compares answers, which is that of `migrate compare`.

On the reference side of a row the layer must not be imported, and so not the package that these
files lie in: they are loaded by themselves.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

FOLDER = Path(__file__).parents[2] / "quart_flask_patch" / "migrate" / "compare"


def load(name: str) -> ModuleType:
    full = f"{__package__}._engine_{name}"
    if full not in sys.modules:
        spec = spec_from_file_location(full, FOLDER / f"{name}.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"Expected a checkout with {FOLDER}, got none.")
        sys.modules[full] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]


if TYPE_CHECKING:
    from quart_flask_patch.migrate.compare.answers import (
        Answer as Answer,
        ask as ask,
        cookies_of as cookies_of,
        difference as difference,
        Patience as Patience,
    )
    from quart_flask_patch.migrate.compare.named import (
        ALWAYS as ALWAYS,
        EXPIRES as EXPIRES,
        LENGTH as LENGTH,
        Named as Named,
        SIGNED_AT as SIGNED_AT,
    )
else:
    _answers, _named = load("answers"), load("named")
    Answer, Patience, ask = _answers.Answer, _answers.Patience, _answers.ask
    cookies_of, difference = _answers.cookies_of, _answers.difference
    ALWAYS, EXPIRES, LENGTH = _named.ALWAYS, _named.EXPIRES, _named.LENGTH
    Named, SIGNED_AT = _named.Named, _named.SIGNED_AT
