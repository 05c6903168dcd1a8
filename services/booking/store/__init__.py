"""All SQL of booking, one typed function per statement.

`offers` (the copies of the catalogue), `resources` (the rows that are locked), `occupancy` (what is taken), `bookings` (claims
and their allocations), `queue` (who waits, what is overdue, series), `requests` (the ledger), `closures` (what a change of the
catalogue meets), `desk` (lists for staff), `figures` (totals), `hints` (what readers were told), `retention` (forgetting),
`invariants` (what must never be), `wishes` (wishes as JSON).
"""
