"""The applications of `docs/examples/scale`, started for real; not among the default tests.

``python -m pytest tests/scale`` runs them, with what is installed of Redis, PostgreSQL, PgBouncer
and nginx.
"""
