"""Small programs as people show them to each other, served and asked over sockets."""
