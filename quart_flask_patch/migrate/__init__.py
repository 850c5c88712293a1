"""Commands that help to move a code base: ``python -m quart_flask_patch migrate``.

Importing the layer imports none of this. It needs the packages of the extra ``migrate``.
"""
