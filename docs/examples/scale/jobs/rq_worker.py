"""`python jobs/rq_worker.py`: one job at a time; start as many as there shall be jobs at once."""

from redis import Redis
from rq import Worker
from shop import app_of_worker, REDIS_URL

if __name__ == "__main__":
    app_of_worker()
    Worker(["shop"], connection=Redis.from_url(REDIS_URL)).work()
