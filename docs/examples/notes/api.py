"""The JSON API: the same notes, the same session, plain views."""

from typing import Any

from flask import abort, Blueprint, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from .extensions import db
from .models import Note
from .views import add_note, own_note

bp = Blueprint("api", __name__, url_prefix="/api/notes")
FIELDS = {"title": str, "body": str, "shared": bool}


@bp.get("/")
@login_required
def index() -> ResponseReturnValue:
    return [note.as_dict() for note in db.session.scalars(Note.visible_to(current_user))]


@bp.post("/")
@login_required
def create() -> ResponseReturnValue:
    values = sent_values()
    if "title" not in values:
        abort(422, "A note needs a title.")
    note = Note(author=current_user._get_current_object(), **values)
    add_note(note)
    answer = note.as_dict()
    return answer, 201, {"Location": answer["url"]}


@bp.get("/<int:note_id>")
@login_required
def read(note_id: int) -> ResponseReturnValue:
    return db.first_or_404(Note.visible_to(current_user).where(Note.id == note_id)).as_dict()


@bp.patch("/<int:note_id>")
@login_required
def change(note_id: int) -> ResponseReturnValue:
    note = own_note(note_id)
    for name, value in sent_values().items():
        setattr(note, name, value)
    db.session.commit()
    return note.as_dict()


@bp.delete("/<int:note_id>")
@login_required
def delete(note_id: int) -> ResponseReturnValue:
    db.session.delete(own_note(note_id))
    db.session.commit()
    return "", 204


def sent_values() -> dict[str, Any]:
    """The fields of a note in the request's JSON; 422 says which one is wrong."""
    values = request.get_json()
    if not isinstance(values, dict):
        abort(422, "Send a JSON object.")
    for name, value in values.items():
        if name not in FIELDS:
            abort(422, f"A note has no field {name!r}.")
        if not isinstance(value, FIELDS[name]):
            abort(422, f"The field {name!r} takes a {FIELDS[name].__name__}.")
    if not 0 < len(values.get("title", "x").strip()) <= 120:
        abort(422, "A title has 1 to 120 characters.")
    return values
