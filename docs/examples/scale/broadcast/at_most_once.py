"""A chat over any number of processes, on Redis' publish and subscribe.

Each message reaches each client at most once, in order. It is lost for a client that is not
connected just then, and for all while Redis is away.
"""

import asyncio
import logging
import os
from contextlib import suppress

from feed import Feed, Message, TooSlow
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from quart import Quart, websocket

CHANNEL = "chat"
SLOW = float(os.environ.get("SLOW_CLIENT_SECONDS", "10"))

app = Quart(__name__)
app.config["WEBSOCKET_ORIGINS"] = ["same"]
PING = 5  # seconds of silence, after which Redis is asked whether it is there
redis = Redis.from_url(
    os.environ.get("REDIS_URL", "redis://localhost"),
    decode_responses=True,
    socket_timeout=PING,
    socket_connect_timeout=2,
    retry=Retry(NoBackoff(), 0),  # what is sent again might be heard twice
)
feed = Feed()
listening = asyncio.Event()


async def listen() -> None:
    """Read for all clients of this process."""
    count = 0
    while True:
        try:
            async with redis.pubsub() as subscription:
                await subscription.subscribe(CHANNEL)
                async for text in heard_by(subscription):
                    count += 1
                    feed.add([Message((0, count), text)])
        except RedisError as error:
            listening.clear()
            logging.getLogger("chat").warning("Redis is away, will subscribe again: %s", error)
            await asyncio.sleep(0.2)


async def heard_by(subscription):
    """What is said, until Redis is away: a machine that is lost does not close its connections."""
    was_asked = False
    while True:
        heard = await subscription.get_message(timeout=PING)
        if heard is None and was_asked:
            raise RedisError("it does not answer")
        if was_asked := heard is None:
            await subscription.ping()
            continue
        listening.set()
        if heard["type"] == "message":
            yield heard["data"]


@app.while_serving
async def serving():
    task = asyncio.create_task(listen())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await redis.aclose()


@app.get("/ready")
async def ready():
    return ("ready", 200) if listening.is_set() else ("Redis is away", 503)


@app.websocket("/chat")
async def chat():
    await websocket.accept()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send_from(feed.last))
            while True:
                await redis.publish(CHANNEL, await websocket.receive())
    except* TooSlow:
        await websocket.close(1013, "too slow")
    except* RedisError:
        await websocket.close(1013, "Redis is away")


async def send_from(place):
    async for message in feed.follow(place):
        try:
            async with asyncio.timeout(SLOW):
                await websocket.send(message.text)
        except TimeoutError:
            raise TooSlow from None
