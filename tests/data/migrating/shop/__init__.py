"""An application in which each thing is planted that `migrate check` looks for."""

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.profiler import ProfilerMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix


class EarlyShop(Flask):
    """Derived before the layer is imported, if a server imports this module."""


import quart_flask_patch  # noqa: E402, F401 - too late, on purpose

db = SQLAlchemy()


class Shop(Flask):
    def preprocess_request(self):
        return super().preprocess_request()


def create_app():
    from . import commands, views

    app = Shop(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": 2, "max_overflow": 1}
    app.config["WEBSOCKET_REQUEST_HOOKS"] = False
    db.init_app(app)
    app.before_request(views.who_asks)
    app.register_blueprint(views.bp)
    app.add_url_rule("/mixed", view_func=views.Mixed.as_view("mixed"))
    app.add_url_rule("/listed", view_func=views.listed)
    app.cli.add_command(commands.clean)
    app.cli.add_command(commands.migrate)
    app.wsgi_app = ProfilerMiddleware(ProxyFix(app.wsgi_app))
    return app
