"""``migrate compare``: one application on genuine Flask and on the layer, asked the same.

Its parts by noun: where requests come from (`sources`), who is asked (`sides`), what is carried
from answers to requests (`carrying`), what may differ (`rules`, `named`), what does (`differing`),
and what may be shown of it (`masks`, `showing`).
"""
