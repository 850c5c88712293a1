"""Read by the check, and never imported."""

from flask_admin import BaseView, expose

from .services import Client


class Panel(BaseView):
    @expose("/")
    def index(self):
        return Client().price()
