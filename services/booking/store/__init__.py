"""All SQL of booking, one typed function per statement.

`offers` (the copies of the catalogue), `resources` (the rows that are locked), `occupancy` (what is taken), `bookings` (claims
and their allocations), `requests` (the ledger), `invariants` (what must never be).
"""
