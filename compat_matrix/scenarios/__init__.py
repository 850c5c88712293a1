"""Differential scenarios: what users do with an extension, as an application and its requests.

Each module here makes an application with ``create_app()`` and lists, in ``EXCHANGES``, what a
client sends to it, one after the other and with its cookies. ``suite/`` serves the application by
Flask on gunicorn and by the layer on hypercorn, and both must answer each request alike, except for
the differences that are named. ``docs/matrix.md`` tells how to write one.

A module that names a ``SERVICE``, such as ``"redis"``, gets one for each of the two servers; where
it is not installed, its tests are skipped.
"""
