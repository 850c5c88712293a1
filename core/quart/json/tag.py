"""Tagged JSON, with which sessions keep types that JSON does not have: Flask's."""

from __future__ import annotations

from flask.json.tag import (
    JSONTag as JSONTag,
    PassDict as PassDict,
    PassList as PassList,
    TagBytes as TagBytes,
    TagDateTime as TagDateTime,
    TagDict as TagDict,
    TaggedJSONSerializer as TaggedJSONSerializer,
    TagMarkup as TagMarkup,
    TagTuple as TagTuple,
    TagUUID as TagUUID,
)
