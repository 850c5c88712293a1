"""Check that the installed `quart` is this project's, and not PyPI's."""

from __future__ import annotations

ADVICE = (
    "Run `pip uninstall -y quart quart-flask-patch`, then install both again as you did before,"
    " such as by `pip install ./core .` at the top of a clone."
)

try:
    import quart
except ModuleNotFoundError as error:
    if error.name != "quart":
        raise
    raise ModuleNotFoundError(
        "Expected the core, this project's distribution quart, beside quart_flask_patch, got the"
        f" layer alone. {ADVICE}",
        name="quart",
    ) from None

if getattr(quart, "__distribution__", None) != "quart":
    raise ImportError(
        "Expected the package 'quart' of the project quart-flask-patch, got"
        f" {quart.__file__ or 'what is left of it: a folder without its __init__.py'}. PyPI's Quart"
        " has been installed in its place or over it, or has been uninstalled and took files of it"
        f" away. {ADVICE} `pip check` says which package requires another version of quart.",
        name="quart",
        path=quart.__file__,
    )
