"""Support for libraries that you install yourself."""
