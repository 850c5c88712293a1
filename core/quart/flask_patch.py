"""``import quart.flask_patch`` puts the layer in place as ``flask``."""

try:
    import quart_flask_patch as quart_flask_patch
except ModuleNotFoundError as error:
    if error.name != "quart_flask_patch":
        raise
    raise ModuleNotFoundError(
        "Expected the layer, the distribution quart-flask-patch, beside quart, got quart"
        " alone. Install it from where this quart came from, such as by `pip install ./core"
        " .` at the top of a clone: `pip install quart-flask-patch` alone brings PyPI's,"
        " which is another one.",
        name="quart_flask_patch",
    ) from None
