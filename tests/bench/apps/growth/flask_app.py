"""The Flask contender, on Flask and on the layer."""

from __future__ import annotations

from flask import Blueprint, Flask

from . import _sizes as sizes
from ._grown import grown


def text() -> str:
    return sizes.TEXT


def item(item_id: int) -> str:
    return str(item_id)


def hook() -> None:
    pass


applications = grown(Flask, Blueprint, text, item, hook)
