"""The Quart contender, ours and upstream's."""

from __future__ import annotations

from quart import Blueprint, Quart

from . import _sizes as sizes
from ._grown import grown


async def text() -> str:
    return sizes.TEXT


async def item(item_id: int) -> str:
    return str(item_id)


async def hook() -> None:
    pass


applications = grown(Quart, Blueprint, text, item, hook)
