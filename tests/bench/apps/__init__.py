"""One module per contender; each has ``applications``, a dict of the apps that scenarios name."""
