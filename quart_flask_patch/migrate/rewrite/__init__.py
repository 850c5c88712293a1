"""``migrate rewrite``: views and what they call become async, in the source.

`code` reads, as for `check`; a plan says what changes where; `edits` carries it out with LibCST.
"""
