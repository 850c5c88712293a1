"""Decide what a client may see of an error: source and variables are for development only.

The development server and the test client mark the scopes of their connections. Without a mark, an
error is a bare 500, in debug mode too: the server may be open to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, IPv6Address

from .._types import Scope

#: The scope's key that says what its client may see of an error.
SHOWN = "quart.shown"
SOURCE, VARIABLES = "source", "variables"

#: Headers that a proxy adds to name its client; the last is the prefix of many more.
_FORWARDED = frozenset(
    {b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip", b"cf-connecting-ip"}
)
_FORWARDED_PREFIX = b"x-forwarded"


def is_on_this_machine(scope: Scope) -> bool:
    """Whether the client is on this machine, by its address and by the name it uses for the server.

    A page from elsewhere in the developer's browser comes from this machine too. But it uses
    another name for the server, even if that name was made to resolve to this machine.
    """
    client, headers = scope.get("client"), scope["headers"]
    # A client without an address came through a Unix socket.
    is_peer = client is None or _is_loopback(client[0])
    return is_peer and not _is_forwarded(headers) and _names_this_machine(headers)


def _is_forwarded(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(says_forwarded(name.lower()) for name, _ in headers)


def says_forwarded(name: bytes) -> bool:
    """Whether a proxy names its client in the header *name*, given in lower case."""
    return name in _FORWARDED or name.startswith(_FORWARDED_PREFIX)


def _names_this_machine(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    hosts = [value.decode("latin-1") for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1:
        return False
    host = hosts[0].lower()
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return False
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.is_loopback
