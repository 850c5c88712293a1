"""The sdist of Flask-pyoidc leaves this file and `util.py` out."""
