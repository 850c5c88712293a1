"""The layer: Flask's API, and code written for it, on the async core."""
