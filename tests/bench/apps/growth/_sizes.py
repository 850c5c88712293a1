"""How big the applications are."""

ROUTES = (1, 100, 10_000)
BLUEPRINTS = (1, 100)
HOOKS = (0, 1000)
TEXT = "Hello, world!"
