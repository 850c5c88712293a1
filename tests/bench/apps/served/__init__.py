"""What the servers serve; each module has ``app``, with the same paths in each."""
