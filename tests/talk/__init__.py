"""Small programs, as in tutorials and chats, served and asked over sockets."""
