"""Serve a test's program in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from _serving import free_port, is_listening
from _tls import Certificate
from quart import Quart

PATIENCE = 10.0


@asynccontextmanager
async def serving(app: Quart, certificate: Certificate | None = None) -> AsyncIterator[int]:
    """Serve *app* by `run_task`, and yield the port."""
    port, stop = free_port(), asyncio.Event()
    files = (certificate.file, certificate.key) if certificate else (None, None)
    task = asyncio.create_task(
        app.run_task(port=port, certfile=files[0], keyfile=files[1], shutdown_trigger=stop.wait)
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while not is_listening(port):
                assert not task.done(), "the server ended before it listened"
                await asyncio.sleep(0.01)
        yield port
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await task


@asynccontextmanager
async def browsing(app: Quart) -> AsyncIterator[httpx.AsyncClient]:
    """Serve *app*, and yield a client for it."""
    async with (
        serving(app) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False, verify=False
        ) as client,
    ):
        yield client
