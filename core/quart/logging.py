"""The application's logger: Flask's, so that there is one default handler."""

from __future__ import annotations

import os
from logging import DEBUG as DEBUG, LogRecord, NOTSET as NOTSET
from logging.handlers import QueueHandler

# Upstream passes records through a queue to a thread of its own. They are lost there when the
# process forks or dies, and removing `default_handler`, as the documentation says to, has no
# effect. Flask's handler writes where the record is made; to `sys.stderr`, without WSGI.
from flask.logging import (
    create_logger as create_logger,
    default_handler as default_handler,
    has_level_handler as has_level_handler,
)

from ._frames import is_our_file

_SERVER = os.sep + "hypercorn" + os.sep


def _name_source(record: LogRecord) -> bool:
    """Let the default handler's "in %(module)s" say whose line it is, not in which file of ours."""
    if _SERVER in record.pathname:
        record.module = "hypercorn"
    elif is_our_file(record.pathname) and f"{os.sep}_" in record.pathname:
        record.module = "quart"
    return True


default_handler.addFilter(_name_source)


class LocalQueueHandler(QueueHandler):
    """Put records into a queue of this process as they are.

    Use it with `logging.handlers.QueueListener` where a handler is slow enough to hold up the
    event loop. Records are not made fit for pickling first, as nothing pickles them.
    """

    def prepare(self, record: LogRecord) -> LogRecord:
        return record
