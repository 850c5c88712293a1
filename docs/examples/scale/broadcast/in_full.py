"""A chat over any number of processes, on a stream of Redis that is kept in its append-only file.

Each message reaches each client, in order, and none twice: a client says which one it had last, in
`?after=` of its websocket or in `Last-Event-ID` of its event stream, and goes on from there in any
process. A sender repeats what it has not seen come back, with the same key; it is taken once.
"""

import asyncio
import json
import logging
import os
import re
from contextlib import suppress

from feed import Feed, Message, TooSlow
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as Unreachable, RedisError

from quart import abort, make_response, Quart, request, websocket

STREAM = "chat"
KEPT = int(os.environ.get("MESSAGES_KEPT", "100000"))
KEY_SECONDS = 600  # for so long a message is known again by its key
LONGEST = 64 * 1024  # bytes of a message: a window holds up to 2,000 of them
SLOW = float(os.environ.get("SLOW_CLIENT_SECONDS", "10"))
PING = 10  # seconds without a message, after which event streams say that they are alive

# The braces keep both keys in one slot of a cluster.
PUBLISH = """
if redis.call("SET", KEYS[2], "", "NX", "EX", ARGV[1]) then
    redis.call("XADD", KEYS[1], "MAXLEN", "~", ARGV[2], "*", "key", ARGV[3], "text", ARGV[4])
end
"""

app = Quart(__name__)
app.config["WEBSOCKET_ORIGINS"] = ["same"]
app.config["MAX_CONTENT_LENGTH"] = LONGEST
# A Redis that refuses is asked again; of one whose machine is lost nothing is heard, not even that.
redis_options = {
    "decode_responses": True,
    "protocol": 2,
    "socket_connect_timeout": 2,
    "retry": Retry(ExponentialBackoff(cap=1, base=0.05), 10, supported_errors=(Unreachable,)),
}
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
# After a worker died, a thousand clients come at once: they wait here, and not at Redis.
pool = BlockingConnectionPool.from_url(
    REDIS_URL, max_connections=20, timeout=20, socket_timeout=10, **redis_options
)
redis = Redis.from_pool(pool)
reader = Redis.from_url(REDIS_URL, socket_timeout=PING + 5, **redis_options)
add_once = redis.register_script(PUBLISH)
feed = Feed()
reading = asyncio.Event()


def place_of(text):
    if not re.fullmatch(r"\d{1,19}-\d{1,19}", text):
        abort(400, "A place is the id of a message, such as 1700000000000-0.")
    milliseconds, number = text.split("-")
    return int(milliseconds), int(number)


def id_of(place):
    return "{}-{}".format(*place)


def messages_of(entries):
    return [Message(place_of(name), entry["text"], entry["key"]) for name, entry in entries]


async def read() -> None:
    """Read for all clients of this process."""
    while True:
        try:
            await reader.ping()
            reading.set()
            while True:
                found = await reader.xread({STREAM: id_of(feed.last)}, count=500, block=PING * 1000)
                for _, entries in found:
                    feed.add(messages_of(entries))
                if not found:
                    feed.wake()
        except RedisError as error:
            reading.clear()
            logging.getLogger("chat").warning("Redis is away, will read again: %s", error)
            await asyncio.sleep(0.2)


async def older(place):
    """What the window of this process does not reach back to."""
    return messages_of(await redis.xrange(STREAM, f"({id_of(place)}", count=100))


async def is_gone(place):
    """Whether messages after *place* are not kept any more."""
    if feed.reaches(place):
        return False
    first = await redis.xrange(STREAM, count=1)
    length, added = 0, 0
    if first and place < place_of(first[0][0]):
        about = await redis.xinfo_stream(STREAM)
        length, added = about["length"], about["entries-added"]
    return added > length


async def publish(key, text):
    if not 0 < len(key) <= 100 or len(text.encode()) > LONGEST:
        raise ValueError(f"expected a key of up to 100 characters, a text of up to {LONGEST} bytes")
    names = [STREAM, f"{{{STREAM}}}:seen:{key}"]
    await add_once(keys=names, args=[KEY_SECONDS, KEPT, key, text])


@app.while_serving
async def serving():
    newest = await redis.xrevrange(STREAM, count=1)
    feed.start(place_of(newest[0][0]) if newest else (0, 0))
    task = asyncio.create_task(read())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await reader.aclose()
    await redis.aclose()


@app.get("/ready")
async def ready():
    return ("ready", 200) if reading.is_set() else ("Redis is away", 503)


@app.post("/messages")
async def post():
    try:
        await publish(
            request.headers.get("Idempotency-Key", ""), (await request.get_data()).decode()
        )
    except ValueError as error:
        abort(400, str(error))
    except RedisError:
        abort(503, "Redis is away. Send it again, with the same key.")
    return "", 202


@app.websocket("/chat")
async def chat():
    after = websocket.args.get("after")
    place = place_of(after) if after else feed.last
    if after and await is_gone(place):
        abort(410, "What follows is not kept any more. Begin anew.")
    await websocket.accept()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send_from(place))
            while True:
                said = await websocket.receive_json()
                await publish(str(said["key"]), str(said["text"]))
    except* TooSlow:
        await websocket.close(1013, "too slow")
    except* (KeyError, TypeError, ValueError):
        await websocket.close(1008, 'expected {"key": "...", "text": "..."}')
    except* RedisError:
        await websocket.close(1013, "Redis is away")


async def send_from(place):
    await send({"id": id_of(place)})  # so that it can go on from here, even before a message
    async for message in feed.follow(place, older):
        if message:  # websockets have pings of their own
            await send({"id": id_of(message.place), "key": message.key, "text": message.text})


async def send(value):
    try:
        async with asyncio.timeout(SLOW):
            await websocket.send(json.dumps(value))
    except TimeoutError:
        raise TooSlow from None


@app.get("/events")
async def events():
    after = request.headers.get("Last-Event-ID") or request.args.get("after")
    place = place_of(after) if after else feed.last
    if after and await is_gone(place):
        abort(410, "What follows is not kept any more. Begin anew.")
    response = await make_response(lines(place))
    response.mimetype = "text/event-stream"
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.timeout = None
    return response


async def lines(place):
    yield f"id: {id_of(place)}\n\n"
    with suppress(RedisError):  # then the stream ends, and the client comes again
        async for message in feed.follow(place, older):
            if message is None:
                yield ":\n\n"
                continue
            data = json.dumps({"key": message.key, "text": message.text})
            yield f"id: {id_of(message.place)}\ndata: {data}\n\n"
