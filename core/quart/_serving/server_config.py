"""Where and how to serve an application: the caller's options, and hypercorn's configuration."""

from __future__ import annotations

import errno
import logging
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, create_server, socket
from typing import Any, TypeAlias

from hypercorn.config import Config, Sockets
from hypercorn.utils import repr_socket_addr
from werkzeug.serving import generate_adhoc_ssl_context

#: Any ASGI application. If it has the attributes ``debug``, ``logger``, ``name`` and
#: ``shutdown_event``, they are used.
ASGIApp: TypeAlias = Any
Certificate: TypeAlias = "ssl.SSLContext | tuple[str, str | None] | str | None"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where and how to serve.

    - *host*: A name or an address, or ``unix:PATH`` or ``fd://NUMBER``.
    - *port*: 0 lets the system choose.
    - *ssl_context*: In place of the files: a context, ``"adhoc"`` for a certificate made on the
      spot, or a pair of certificate and key file.
    - *extra_files*: Files and directories, besides the modules, whose changes cause a reload.
    - *exclude_patterns*: Files whose changes cause none, as :mod:`fnmatch` patterns.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    ssl_context: Certificate = None
    extra_files: Sequence[str] = ()
    exclude_patterns: Sequence[str] = ()

    @property
    def address(self) -> tuple[str, int] | None:
        """The address of a TCP socket; ``None`` for other kinds."""
        return None if self.host.startswith(("unix:", "fd:")) else (self.host, self.port)


class ServerConfig(Config):
    """Hypercorn's configuration, which binds its sockets once, on first access.

    Hypercorn binds after the app has started; bound before, an address in use is reported
    without starting the app, and the banner can name the port that the system chose.
    """

    ssl_context: ssl.SSLContext | None = None
    address: tuple[str, int] | None = None
    _sockets: Sockets | None = None

    @classmethod
    def from_options(cls, options: ServeOptions) -> ServerConfig:
        config = cls()
        config.address = options.address
        config.bind = [options.host]
        config.ca_certs = options.ca_certs
        config.certfile, config.keyfile = options.certfile, options.keyfile
        match options.ssl_context:
            case ssl.SSLContext() as context:
                config.ssl_context = context
            case "adhoc":
                config.ssl_context = generate_adhoc_ssl_context()
                config.ssl_context.set_alpn_protocols(config.alpn_protocols)
            case (certfile, keyfile):
                config.certfile, config.keyfile = certfile, keyfile
            case None:
                pass
            case other:
                raise ValueError(
                    "Expected ssl_context to be an SSLContext, 'adhoc' or a (certfile, keyfile)"
                    f" pair, got {other!r}."
                )
        return config

    @property
    def ssl_enabled(self) -> bool:
        return self.ssl_context is not None or super().ssl_enabled

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self.ssl_context or super().create_ssl_context()

    def create_sockets(self) -> Sockets:
        if self._sockets is None:
            if self.address is not None:
                # Bind it here, as hypercorn loses a socket that it cannot bind.
                family = AF_INET6 if ":" in self.address[0] else AF_INET
                with _explained(self.address):
                    listening = create_server(self.address, family=family)
                self.bind = [f"fd://{listening.detach()}"]
            self._sockets = super().create_sockets()
        return self._sockets

    def inherit(self, fileno: str) -> None:
        """Use the socket *fileno*, which the parent process has bound."""
        self.address, self.bind = None, [f"fd://{fileno}"]

    def bound(self) -> list[socket]:
        sockets = self.create_sockets()
        return [*sockets.secure_sockets, *sockets.insecure_sockets]

    def close(self) -> None:
        for sock in self.bound() if self._sockets is not None else ():
            sock.close()

    @property
    def urls(self) -> list[str]:
        """The URLs of the server."""
        scheme = "https" if self.ssl_enabled else "http"
        names = (repr_socket_addr(sock.family, sock.getsockname()) for sock in self.bound())
        return [f"{scheme}://{name}" for name in names]

    def log_to(self, app: ASGIApp) -> None:
        """Log to the app's logger, showing lines about requests at any level."""
        logger = getattr(app, "logger", None) or logging.getLogger("quart.serving")
        access = logger.getChild("access")
        if access.level == logging.NOTSET:
            access.setLevel(logging.INFO)
        # The line of the request is as in a server's access log; hypercorn's own has no "HTTP/".
        line = '"%(m)s %(Uq)s HTTP/%(H)s"'
        self.access_log_format = f"%(h)s {line} %(s)s, %(b)s bytes, %(L)s seconds"
        self.accesslog, self.errorlog = access, logger


@contextmanager
def _explained(address: tuple[str, int]) -> Iterator[None]:
    """Add advice to errors in the block about *address*."""
    try:
        yield
    except OSError as error:
        host, port = address
        if error.errno == errno.EADDRINUSE:
            advice = f"Stop what listens there, or choose another port: --port {port + 1}."
            if sys.platform == "darwin" and port == 5000:
                advice += " On macOS that may be the AirPlay receiver, a setting of the system."
            said = f"Port {port} on {host} is in use by another program. {advice}"
        elif error.errno == errno.EACCES:
            said = f"Port {port} on {host} is not yours to listen on. Choose one above 1023."
        else:
            raise
        raise OSError(error.errno, said) from error
