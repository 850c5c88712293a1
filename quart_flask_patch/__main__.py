"""``python -m quart_flask_patch --app module:app run``: any Flask application, unchanged."""

from .cli import main

main()
