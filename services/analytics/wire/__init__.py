"""From the contract's messages to what is stored, and from there to what we think with.

`facts` (booking.events.v1), `offers` (catalog.offers.v1, both ways), `deliveries` (notify.deliveries.v1), `keys` (year keys).
"""
