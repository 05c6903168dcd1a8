"""The one border between what travels or is stored and what we think with.

`documents` reads and writes working copies, `states` makes the record of an offer from what `domain.build` gives.
"""
