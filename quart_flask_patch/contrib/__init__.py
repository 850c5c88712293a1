"""What goes with certain libraries, each of which you install yourself."""
