"""The pages about notes."""

from flask import abort, Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required
from sqlalchemy import func, select

from .announcer import announcer
from .extensions import db
from .forms import NoteForm
from .models import Note
from .summary import summarise

bp = Blueprint("notes", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    if not current_user.is_authenticated:
        return redirect(url_for("tour.page"))
    query = request.args.get("q", "").strip()
    notes = Note.visible_to(current_user)
    if query:
        notes = notes.where(Note.title.icontains(query, autoescape=True))
    page = db.paginate(notes, per_page=current_app.config["NOTES_PER_PAGE"])
    return render_template("notes/index.html", page=page, query=query)


@bp.route("/new", methods=["GET", "POST"])
@login_required
def create() -> ResponseReturnValue:
    form = NoteForm()
    if form.validate_on_submit():
        note = Note(author=current_user._get_current_object())
        form.populate_obj(note)
        add_note(note)
        flash("The note is saved.", "success")
        return redirect(url_for("notes.index"))
    return render_template("notes/edit.html", form=form, note=None)


@bp.route("/<int:note_id>/edit", methods=["GET", "POST"])
@login_required
def edit(note_id: int) -> ResponseReturnValue:
    note = own_note(note_id)
    form = NoteForm(obj=note)
    if form.validate_on_submit():
        form.populate_obj(note)
        db.session.commit()
        flash("The note is saved.", "success")
        return redirect(url_for("notes.index"))
    return render_template("notes/edit.html", form=form, note=note)


@bp.post("/<int:note_id>/delete")
@login_required
def delete(note_id: int) -> ResponseReturnValue:
    db.session.delete(own_note(note_id))
    db.session.commit()
    flash("The note is deleted.", "success")
    return redirect(url_for("notes.index"))


@bp.get("/summary")
@login_required
async def summary() -> ResponseReturnValue:
    """Ask two slow services about the user's notes, both at the same time."""
    own = select(Note.body).where(Note.author_id == current_user.id)
    report = await summarise(list(db.session.scalars(own)), current_app.config["SUMMARY_SECONDS"])
    visible = Note.visible_to(current_user).order_by(None).subquery()
    readable = db.session.scalar(select(func.count()).select_from(visible))
    return render_template("notes/summary.html", report=report, readable=readable)


def add_note(note: Note) -> None:
    """Save a new note and tell everybody who may read it."""
    db.session.add(note)
    db.session.commit()
    announcer.publish(note.as_dict(), only_for=None if note.shared else note.author_id)


def own_note(note_id: int) -> Note:
    """The note, if the user wrote it; a note that the user may not even read is not found."""
    note = db.first_or_404(Note.visible_to(current_user).where(Note.id == note_id))
    if note.author_id != current_user.id:
        abort(403)
    return note
