"""Notify tells people: who is told what and when, sent once, and the fate of every message known.

Reads `booking.events.v1`, `people.contacts.v1` and `catalog.offers.v1`; writes `notify.deliveries.v1`. Its database `notify`
holds copies of contacts, offers and bookings, the planned messages with their attempts, and the state of the mail relay.
"""
