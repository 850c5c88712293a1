"""Commands for moving a code base: ``python -m quart_flask_patch migrate``.

Nothing of this is imported with the layer. It needs the packages of the extra ``migrate``.
"""
