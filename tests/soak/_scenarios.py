"""The programs that send a server many requests and check every answer, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from . import identities

#: Called with the server's port, the version of HTTP, how many requests to make, and a seed.
SCENARIOS: dict[str, Callable[[int, str, int, int], Counter[str]]] = {
    "identities": identities.run,
}
