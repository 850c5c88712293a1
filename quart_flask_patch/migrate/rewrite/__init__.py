"""``migrate rewrite``: make views, and what they call, async in the source.

`code` reads the source, as for `check`. A plan says what to change where. `edits` applies it with
LibCST.
"""
