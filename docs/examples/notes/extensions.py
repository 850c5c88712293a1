"""The extensions, made once and bound to the application in `create_app`."""

from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
csrf = CSRFProtect()
login_manager = LoginManager()
# Pages send a stranger to the login form; the API, not listed here, answers 401.
login_manager.blueprint_login_views = dict.fromkeys(("auth", "notes", "live"), "auth.login")
login_manager.login_message = "Please log in first."
login_manager.login_message_category = "info"
