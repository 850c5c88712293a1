"""One application on each ASGI server, asked the same questions over sockets."""
