"""A certificate for `localhost` that the tests make, and contexts that trust it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.serving import make_ssl_devcert


@dataclass(frozen=True)
class Certificate:
    file: str
    key: str

    def client_context(self, *protocols: str) -> ssl.SSLContext:
        """Make a context that trusts this certificate only, and asks for *protocols* by ALPN."""
        context = ssl.create_default_context(cafile=self.file)
        # Python 3.13 demands extensions that this certificate does not have.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def make_certificate(folder: Path) -> Certificate:
    pytest.importorskip("cryptography", reason="makes the certificate for TLS")
    file, key = make_ssl_devcert(str(folder / "localhost"), host="localhost")
    return Certificate(file, key)
