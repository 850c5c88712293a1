"""The scenarios' applications; each module has ``applications``, a dict of those they name."""
