"""What runs by itself, or on an operator's word.

`routes` (the subscriptions), `placing` (where a record lay), `keys` (the years' keys, waited for), `loops` (timed work),
`reconcile` (figures against booking's own table).
"""
