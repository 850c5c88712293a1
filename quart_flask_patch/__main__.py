"""Run any Flask application, unchanged: ``python -m quart_flask_patch --app module:app run``."""

from .cli import main

main()
