"""Registering, logging in, logging out."""

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, login_user, logout_user
from sqlalchemy.exc import IntegrityError

from .extensions import db
from .forms import LoginForm, RegisterForm
from .models import User

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    form = RegisterForm()
    if form.validate_on_submit():
        user = User(name=form.name.data)
        user.set_password(form.password.data)
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:  # somebody was quicker
            db.session.rollback()
            form.name.errors = [*form.name.errors, "This name is taken."]
        else:
            flash("Welcome! You can log in now.", "success")
            return redirect(url_for("auth.login"))
    return render_template("auth/register.html", form=form)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for("notes.index"))
    form = LoginForm()
    if form.validate_on_submit():
        user = User.named(form.name.data)
        if user is not None and user.has_password(form.password.data):
            login_user(user)
            flash(f"Hello, {user.name}!", "success")
            return redirect(next_page())
        flash("Name or password is wrong.", "error")
    return render_template("auth/login.html", form=form)


@bp.post("/logout")
@login_required
def logout() -> ResponseReturnValue:
    logout_user()
    flash("You are logged out.", "success")
    return redirect(url_for("auth.login"))


def next_page() -> str:
    """Where the user wanted to go, if that is a page of ours: never let a link choose the site."""
    target = request.args.get("next", "")
    parts = urlsplit(target)
    ours = target.startswith("/") and not parts.scheme and not parts.netloc and "\\" not in target
    return target if ours else url_for("notes.index")
