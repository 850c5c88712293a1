"""The same Flask application as ``flask_app``, on the layer."""

from __future__ import annotations

import quart.flask_patch  # noqa: F401

from .flask_app import applications

__all__ = ["applications"]
