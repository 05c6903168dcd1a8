"""The catalogue: what the hub offers, with places, resources, opening hours, closures and dates.

Topics: writes `catalog.offers.v1`, reads none yet. Database and role `catalog`. Over it no service is asked by another:
booking, notify, analytics, federation and portal read the topic, frontends ask by HTTP.
"""
