"""``migrate compare``: ask one application the same on genuine Flask and on the layer.

Its parts: where requests come from (`sources`), the servers that are asked (`sides`), what goes
from answers into later requests (`carrying`), what may differ (`rules`, `named`), what does differ
(`differing`), and what may be shown of it (`masks`, `showing`).
"""
