import sqlite3
import threading

from flask import g

from . import db

state = threading.local()


class Item(db.Model):
    id = db.Column(db.Integer, primary_key=True)

    def reload(self):
        db.session.refresh(self)  # blocks: refresh


def connection():
    if "connection" not in g:
        g.connection = sqlite3.connect("shop.db")  # blocks: connect
    return g.connection
