"""The same application as ``ours_async``; its virtual environment has upstream Quart 0.22.0."""

from __future__ import annotations

from .ours_async import applications

__all__ = ["applications"]
