"""The forms and their checks."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField, SubmitField, TextAreaField
from wtforms.validators import EqualTo, InputRequired, Length, Regexp, ValidationError

from .models import User


def strip(text: str | None) -> str | None:
    return text.strip() if text else text


class RegisterForm(FlaskForm):
    name = StringField(
        "Name",
        filters=[strip],
        validators=[
            InputRequired("Choose a name."),
            Length(2, 40, "A name has 2 to 40 characters."),
            Regexp(r"[\w.-]+\Z", message="Use letters, digits, dots, dashes and underscores."),
        ],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[
            InputRequired("Choose a password."),
            Length(8, 200, "A password has at least 8 characters."),
        ],
        render_kw={"autocomplete": "new-password"},
    )
    confirm = PasswordField(
        "Password again",
        validators=[EqualTo("password", "The passwords differ.")],
        render_kw={"autocomplete": "new-password"},
    )
    submit = SubmitField("Register")

    def validate_name(self, field: StringField) -> None:
        if field.data and User.named(field.data):
            raise ValidationError("This name is taken.")


class LoginForm(FlaskForm):
    name = StringField(
        "Name",
        filters=[strip],
        validators=[InputRequired("Enter your name.")],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Enter your password.")],
        render_kw={"autocomplete": "current-password"},
    )
    submit = SubmitField("Log in")


class NoteForm(FlaskForm):
    title = StringField(
        "Title",
        filters=[strip],
        validators=[
            InputRequired("A note needs a title."),
            Length(max=120, message="A title has at most 120 characters."),
        ],
    )
    body = TextAreaField(
        "Text",
        validators=[Length(max=20_000, message="A note has at most 20,000 characters.")],
        render_kw={"rows": 8},
    )
    shared = BooleanField("Share with everybody who is logged in")
    submit = SubmitField("Save")
