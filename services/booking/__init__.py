"""Booking decides every claim on scarce time or seats, and is the only writer of bookings.

Reads `booking.requests.v1` and `catalog.offers.v1`, writes `booking.events.v1`; HTTP is read only. Its database and role are
`booking`: offers, resources, bookings, allocations, requests, and hubkit's tables.
"""
