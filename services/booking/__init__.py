"""Booking decides every claim on scarce time or seats, and is the only writer of bookings.

Reads `booking.requests.v1` and `catalog.offers.v1`, writes `booking.events.v1`; HTTP is read only. Its database and role are
`booking`: offers, resources, bookings, allocations, series, requests, hints, and hubkit's tables.

`domain` holds the rules, `store` the SQL, `wire` the border to the contracts, `handlers` what happens in a transaction, `worker`
subscriptions and timers, `http` the questions; each package maps its modules in its own docstring.
"""
