"""Ask one application the same questions on each ASGI server, over sockets."""
