"""What the contenders run: one package for each set of tasks, in it one module for each API."""
