"""What is taken in from the bus, each batch in its own transaction behind the fence.

`facts` (booking's events), `states` (the catalogue), `deliveries` (fates of messages), `release` (from the quarantine).
"""
