"""Applications that grow; each module has ``applications``, a dict of those the tasks name."""
