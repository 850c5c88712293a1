"""The configuration mapping: Flask's, with Quart's prefix for environment variables."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TYPE_CHECKING

from flask.config import Config as FlaskConfig, ConfigAttribute as ConfigAttribute


class Config(FlaskConfig):
    """A dict of settings that can be filled from files, objects, mappings and the environment."""

    if TYPE_CHECKING:
        # Flask's class has no type arguments, which pyright reports as unknown.
        def __getitem__(self, key: str) -> Any: ...
        def get(self, key: str, default: Any = None) -> Any: ...
        def pop(self, key: str, default: Any = None) -> Any: ...
        def setdefault(self, key: str, default: Any = None) -> Any: ...

    def from_prefixed_env(
        self, prefix: str = "QUART", *, loads: Callable[[str], object] = json.loads
    ) -> bool:
        """Set a key for each environment variable that starts with *prefix* and an underscore.

        A value that *loads* refuses stays a string. A double underscore in a name sets an item of
        a nested dict: `QUART_MAIL__PORT=25` becomes `config["MAIL"]["PORT"]`.
        """
        return super().from_prefixed_env(prefix, loads=loads)


#: The defaults, in `Quart.default_config`.
DEFAULTS: dict[str, Any] = {
    "APPLICATION_ROOT": "/",
    "BACKGROUND_TASK_SHUTDOWN_TIMEOUT": 5,
    # Seconds after which a loop that does not run its callbacks is reported; None means never.
    "BLOCKED_LOOP_WARNING": 10,
    "BODY_TIMEOUT": 60,
    "CONNECTION_SHUTDOWN_TIMEOUT": 5,
    "DEBUG": None,
    "ENV": None,
    "EXPLAIN_TEMPLATE_LOADING": False,
    # Whether logged tracebacks leave out frames of this project between yours.
    "FOLD_TRACEBACKS": True,
    "MAX_CONTENT_LENGTH": 16 * 1024 * 1024,
    "MAX_COOKIE_SIZE": 4093,
    "MAX_FORM_MEMORY_SIZE": 500_000,
    "MAX_FORM_PARTS": 1_000,
    "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
    "PREFERRED_URL_SCHEME": "http",
    "PREFER_SECURE_URLS": False,
    "PRESERVE_CONTEXT_ON_EXCEPTION": None,
    "PROPAGATE_EXCEPTIONS": None,
    "PROVIDE_AUTOMATIC_OPTIONS": True,
    # The signal that makes the process log the requests under way, unless somebody handles it.
    "REQUESTS_SIGNAL": "SIGUSR1",
    "RESPONSE_TIMEOUT": 60,
    "SECRET_KEY": None,
    "SECRET_KEY_FALLBACKS": None,
    "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=12),
    "SERVER_NAME": None,
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_NAME": "session",
    "SESSION_COOKIE_PARTITIONED": False,
    "SESSION_COOKIE_PATH": None,
    "SESSION_COOKIE_SAMESITE": None,
    "SESSION_COOKIE_SECURE": False,
    "SESSION_REFRESH_EACH_REQUEST": True,
    # "batch" keeps worker threads from interrupting the event loop, on Linux.
    "SYNC_SCHEDULING": None,
    # The number of worker threads for plain functions; None means 40.
    "SYNC_THREADS": None,
    "TEMPLATES_AUTO_RELOAD": None,
    "TESTING": False,
    "TRAP_BAD_REQUEST_ERRORS": None,
    "TRAP_HTTP_EXCEPTIONS": False,
    "TRUSTED_HOSTS": None,
    "USE_X_SENDFILE": False,
    # The sites whose pages may open websockets; None means any.
    "WEBSOCKET_ORIGINS": None,
}
