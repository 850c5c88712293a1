"""Lets ``python -m quart`` be the ``quart`` command."""

from .cli import main

if __name__ == "__main__":
    main()
