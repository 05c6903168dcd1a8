"""Booking decides every claim on scarce time or seats, and is the only writer of bookings.

Reads `booking.requests.v1` and `catalog.offers.v1`, writes `booking.events.v1`; HTTP is read only. Its database and role are
`booking`: offers, resources, bookings, allocations, requests, and hubkit's tables.

| module | what is there |
| --- | --- |
| `domain/` | the rules, pure; `evaluation.evaluate` is the one that says yes or why not, `decisions.decide` answers a command |
| `wire/` | contract models to domain and back: `offers`, `requests`, `answers` |
| `store/` | all SQL: `offers`, `resources` (locks, counters), `occupancy`, `bookings`, `requests` (ledger), `invariants` |
| `handlers/` | `requests` (plan, decide, busy), `settlement` (read, decide, write), `offers` (copies), `questions` (for HTTP) |
| `worker`, `http`, `app` | subscriptions and loops; routes; where it is put together |
| `limits`, `settings`, `migrations/` | every bound with its reason; the environment; the schema |

What this release does not decide yet it refuses, in one place: `domain/served.py`.
"""
