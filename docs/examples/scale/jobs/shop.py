"""An application with long jobs, for Celery or for RQ, and with a job that runs once for all."""

import logging
import os
import time
from functools import cache
from uuid import uuid4

import quart_flask_patch  # noqa: F401

# isort: split

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from celery import Celery, shared_task, Task
from flask import current_app, Flask
from redis import Redis
from rq import Queue, Retry

from quart.utils import run_sync

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
REPORT_SECONDS = float(os.environ.get("REPORT_SECONDS", "1"))  # minutes, in real life
EVERY = float(os.environ.get("CLEAN_UP_SECONDS", "60"))
# When a whole worker has died, its job is given to another after this time. No job may take longer.
GIVEN_AGAIN = int(os.environ.get("GIVEN_AGAIN_SECONDS", "3600"))


# Celery: tasks run in the application's context.


def celery_for(app):
    class ContextTask(Task):
        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=ContextTask)
    celery.conf.update(
        broker_url=REDIS_URL,
        result_backend=REDIS_URL,
        # A task whose worker died is done again; so it must bear to be done twice.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_transport_options={"visibility_timeout": GIVEN_AGAIN},
        worker_prefetch_multiplier=1,
    )
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


@shared_task
def make_report(number):
    return report(number)


# RQ: each job has a process of its own, forked from the worker, which has made the application.


@cache
def app_of_worker():
    return create_app()


def report_with_rq(number):
    with app_of_worker().app_context():
        return report(number)


# Either of them does this.


def report(number):
    current_app.extensions["redis"].rpush("begun", os.getpid())
    time.sleep(REPORT_SECONDS)
    current_app.extensions["redis"].rpush("reports", number)
    return f"report {number} of {current_app.name}"


# APScheduler: each process has a scheduler, and the one that holds the lock does the job.


class Leader:
    """One process of all, for as long as it says so; if it dies, another one follows."""

    def __init__(self, redis, name, seconds):
        self.redis, self.name, self.milliseconds = redis, name, int(seconds * 1000)
        self.me = uuid4().hex
        self.keep = redis.register_script(
            'if redis.call("GET", KEYS[1]) == ARGV[1] then'
            ' return redis.call("PEXPIRE", KEYS[1], ARGV[2]) end return 0'
        )

    def is_me(self):
        return bool(
            self.redis.set(self.name, self.me, nx=True, px=self.milliseconds)
            or self.keep(keys=[self.name], args=[self.me, self.milliseconds])
        )


def clean_up(app, leader):
    """In a thread of the scheduler's, in the application's context."""
    with app.app_context():
        if leader.is_me():
            app.extensions["redis"].rpush("cleaned", f"{os.getpid()} {time.time()}")


def scheduling(app):
    async def serving():
        redis = app.extensions["redis"]
        leader = Leader(redis, "shop:leader", seconds=2.5 * EVERY)
        scheduler = AsyncIOScheduler()
        job = run_sync(clean_up)
        scheduler.add_job(job, "interval", seconds=EVERY, args=[app, leader], max_instances=1)
        scheduler.start()
        yield
        scheduler.shutdown(wait=False)

    return serving


def create_app():
    app = Flask("shop")
    app.extensions["redis"] = Redis.from_url(REDIS_URL, decode_responses=True)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    celery_for(app)
    app.while_serving(scheduling(app))
    queue = Queue("shop", connection=Redis.from_url(REDIS_URL))

    @app.post("/celery/<int:number>")
    def with_celery(number):
        return {"job": make_report.delay(number).id}, 202

    @app.post("/rq/<int:number>")
    async def with_rq(number):
        # It speaks to Redis and waits for it, which an async view leaves to a thread.
        job = await run_sync(queue.enqueue)(report_with_rq, number, retry=Retry(max=3))
        return {"job": job.id}, 202

    return app
