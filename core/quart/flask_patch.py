"""``import quart.flask_patch`` puts the layer in place as ``flask``."""

import quart_flask_patch as quart_flask_patch
