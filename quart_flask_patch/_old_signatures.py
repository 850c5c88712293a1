"""Support subclasses of `Flask` whose methods have the signatures of Flask 3.1.

Flask 3.2 rewrites its own class for such a subclass, which changes all other applications of the
process. Here a stage works with a context as its first argument and without, so only the subclass's
own methods need a wrapper.
"""

from __future__ import annotations

import warnings
from functools import wraps

from quart._flask import HAS_ONE_CONTEXT, STAGES_WITH_CONTEXT
from quart._handling.overrides import wants_context
from quart._stock import Watched
from quart._types import Function

from .genuine import AppContext, Flask as GenuineFlask


class OldSignatures(metaclass=Watched):
    """A base class before Flask's, so that its `__init_subclass__` runs in place of Flask's."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        if not HAS_ONE_CONTEXT:
            super().__init_subclass__(**kwargs)
            return
        # Skip Flask's own, and call those of the classes after it.
        super(GenuineFlask, cls).__init_subclass__(**kwargs)  # type: ignore[misc]  # one of its bases
        if OldSignatures not in cls.__bases__:
            for name in STAGES_WITH_CONTEXT:
                _look_after(cls, name)


def _look_after(cls: type, name: str) -> None:
    method = getattr(cls, name)
    inherited = any(
        getattr(base, name) is method for base in cls.__bases__ if issubclass(base, OldSignatures)
    )
    bound = method.__get__(object()) if hasattr(method, "__get__") else method
    if inherited or wants_context(bound):
        return
    warnings.warn(
        f"{cls.__qualname__}.{name} has the signature of Flask 3.1. Since Flask 3.2 it has"
        " 'ctx: AppContext' as its first argument, and Flask 4.0 will require that; add it.",
        DeprecationWarning,
        stacklevel=5,
    )
    setattr(cls, name, _without_context(method))


def _without_context(method: Function) -> Function:
    """Return *method* so that it can be called with a leading context too."""

    @wraps(method)
    def without(self: object, *args: object, **kwargs: object) -> object:
        if args and isinstance(args[0], AppContext):
            args = args[1:]
        return method(self, *args, **kwargs)

    return without
