"""What every service of the house needs and none owns: the way in from the bus, the way out to it, and what runs a process.

A message passes the modules in this order: `messaging` (poll, parse, one transaction, stored offset, dedup), the service's
handler, `outbox` (rows in the same transaction, then the relay). `inbox` holds the SQL of the way in, `db` the pool and the
two kinds of connection, `errors` the families of failure, `app` what a service's `build(settings)` returns.
Nothing here has a noun of the domain.
"""
