"""All SQL of notify, one typed function per statement.

`copies` (contacts, offers, bookings), `plans` (messages as they are planned), `queue` (claim, re-check, result), `timers` (what
time alone changes), `relays` (breaker and pauses), `lists` (answers to HTTP, figures for metrics).
"""
