"""Runs extensions' own test suites on Flask and on the layer, and compares them test by test."""
