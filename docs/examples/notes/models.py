"""Users and their notes."""

from datetime import datetime, UTC
from typing import Any

import click
from flask import Flask, url_for
from flask.cli import with_appcontext
from flask_login import UserMixin
from sqlalchemy import ForeignKey, inspect, or_, select, String, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash

from .extensions import db, login_manager


class User(UserMixin, db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    notes: Mapped[list["Note"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )

    def set_password(self, password: str) -> None:
        self.password_hash = generate_password_hash(password)

    def has_password(self, password: str) -> bool:
        return bool(self.password_hash) and check_password_hash(self.password_hash, password)

    @classmethod
    def named(cls, name: str) -> "User | None":
        return db.session.scalar(select(cls).where(cls.name == name))


class Note(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text, default="")
    shared: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    author: Mapped[User] = relationship(back_populates="notes", lazy="joined")

    @classmethod
    def visible_to(cls, user: User) -> Any:
        """Select the user's own notes and those that others share, newest first."""
        visible = or_(cls.author_id == user.id, cls.shared)
        return select(cls).where(visible).order_by(cls.created.desc(), cls.id.desc())

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "body": self.body,
            "shared": self.shared,
            "author": self.author.name,
            "created": self.created.isoformat(timespec="seconds"),
            "url": url_for("api.read", note_id=self.id),
        }


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


SAMPLE_USER = "Ada"
SAMPLE_NOTES = {
    "Welcome": "Write notes, share them, search them. Open “Live” in a second window, and save a"
    " shared note in the first.",
    "Where this runs": "Plain views run in worker threads, so they may block. “Summary” is an async"
    " view that asks two slow services at the same time.",
    "Nothing was changed": "The same code runs on Flask: flask --app notes:create_app run",
}


def create_missing_tables(app: Flask) -> None:
    with app.app_context():
        is_new = not inspect(db.engine).has_table(User.__tablename__)
        db.create_all()
        if is_new and app.config["SAMPLES"]:
            add_samples()


def add_samples() -> None:
    """Add an account that anybody may use by a button, and nobody by a password."""
    user = User(name=SAMPLE_USER, password_hash="")
    user.notes = [Note(title=title, body=body) for title, body in SAMPLE_NOTES.items()]
    db.session.add(user)
    try:
        db.session.commit()
    except IntegrityError:  # another process of the same server was quicker
        db.session.rollback()


@click.command("init-db")
@with_appcontext
def init_db_command() -> None:
    """Delete all notes and users and create empty tables."""
    db.drop_all()
    db.create_all()
    click.echo("The database is empty and ready.")
