"""What all processes share, in Redis: sessions, a cache, limits, and Socket.IO's messages."""

import os
import time
from datetime import timedelta

import quart_flask_patch  # noqa: F401

# isort: split

from flask import Flask, session
from flask_caching import Cache
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_session import Session
from flask_socketio import emit, SocketIO
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
# Requests that wait for Redis hold a thread each; give up rather than hold all of them.
PATIENCE = {"socket_timeout": 2, "socket_connect_timeout": 2}

app = Flask(__name__)
app.config.update(
    SESSION_TYPE="redis",
    SESSION_REDIS=Redis.from_url(REDIS_URL, retry=Retry(NoBackoff(), 1), **PATIENCE),
    PERMANENT_SESSION_LIFETIME=timedelta(days=1),
    CACHE_TYPE="RedisCache",
    CACHE_REDIS_URL=REDIS_URL,
    CACHE_OPTIONS=PATIENCE,
    CACHE_DEFAULT_TIMEOUT=60,
    RATELIMIT_STORAGE_URI=REDIS_URL,
    RATELIMIT_STORAGE_OPTIONS=PATIENCE,
)
Session(app)
cache = Cache(app)
limiter = Limiter(get_remote_address, app=app)
socketio = SocketIO(app, async_mode="threading", message_queue=REDIS_URL)


@app.get("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return {"process": os.getpid(), "visits": session["visits"]}


@app.get("/report")
@cache.cached()
def report():
    time.sleep(0.2)  # a long query
    return {"made by": os.getpid(), "at": time.time()}


@app.get("/process")
async def process():
    return {"process": os.getpid()}


@app.post("/code")
@limiter.limit("5 per minute")
def code():
    return {"process": os.getpid()}


@app.post("/announce/<text>")
def announce(text):
    """To the clients of all processes."""
    socketio.emit("announcement", {"text": text, "from": os.getpid()})
    return "", 202


@socketio.on("where")
def where():
    emit("here", {"process": os.getpid()})
