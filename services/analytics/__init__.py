"""Analytics turns the log into figures: what could be booked, what was, and what came of it. It never asks and never decides.

Reads `booking.events.v1`, `catalog.offers.v1` and `notify.deliveries.v1`, never `people.contacts.v1`; writes its dead letters
only. HTTP is read only but for the quarantine. Its database and role are `analytics`: events (its own inbox), deliveries,
states of offers, open days, roll-ups by day and period, marks of what is to be recomputed, and hubkit's tables. All of it can
be thrown away and built again from the log.
"""
