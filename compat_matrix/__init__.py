"""Run extensions' own test suites on Flask and on the layer, and compare them test by test."""
