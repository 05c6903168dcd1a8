"""Booking decides every claim on scarce time or seats, and is the only writer of bookings.

Reads `booking.requests.v1` and `catalog.offers.v1`, writes `booking.events.v1`; HTTP is read only. Its database and role are
`booking`: offers, resources, bookings, allocations, series, requests, hints, and hubkit's tables.

| module | what is there |
| --- | --- |
| `domain/` | the rules, pure; `evaluation.evaluate` is the one that says yes or why not, `decisions.decide` answers a command |
| `wire/` | contract models to domain and back |
| `store/` | all SQL |
| `handlers/` | what happens in a transaction: commands, time, changes of the catalogue |
| `worker`, `http/`, `app` | subscriptions and loops; routes; where it is put together |
| `limits`, `settings`, `migrations/` | every bound with its reason; the environment; the schema |

Each package maps its modules in its own docstring.
"""
