import asyncio
import subprocess
import time
from pathlib import Path

import requests

from quart.utils import run_sync

session = requests.Session()
HERE = Path(__file__).parent


class Client:
    def __init__(self):
        self.session = requests.Session()

    def price(self):
        return self.session.get("http://prices.invalid").json()  # blocks: self.session


def stock():
    return session.get("http://stock.invalid").json()  # blocks: session


def convert():
    subprocess.run(["convert"], check=True)  # blocks: subprocess


def wait_a_moment():
    time.sleep(1)  # blocks: sleep


def terms():
    return (HERE / "terms.txt").read_text()  # blocks: read_text


async def found():
    await asyncio.sleep(0)
    return {"found": True}


@run_sync
def in_a_thread():
    time.sleep(1)
