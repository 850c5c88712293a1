"""Applications on real servers, asked by real clients over sockets."""
