"""What PyPI's Quart documents, tried on it and on this project's `quart`, and compared.

Each behaviour is a function that returns what a program sees, and names the page of Quart's
documentation that describes it. ``python -m compat_matrix.behaviours`` runs them on both.
"""
